"""Upscaling as a service: HTTP, a web socket, a page, and the Model Context Protocol."""
