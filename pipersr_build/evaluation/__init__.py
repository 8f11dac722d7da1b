"""How good a method is: the PSNR and SSIM protocols, test sets, and published scores."""
