"""Text in the form of the compiler's analytics files, made from a few numbers."""

from collections.abc import Mapping

RENAMED = "_4D454D5F4F5054"
ENDS = ("bnns", "classic_cpu", "ane")


def analytics(*lines: str, launch: str = "0x1p-3", switch: str = "0x1p-3") -> str:
    """A whole file, with the conversions of input and output that every file has."""
    constants = f"Launch_ane_ms = fp64({launch}), Launch_bnns_ms = fp64(0x0p+0), "
    constants += f"Src_ane_Dest_bnns_ms = fp64({switch}), Src_bnns_Dest_ane_ms = fp64({switch})"
    buffer = "tensor_buffer<fp16, shape=[1, 8], strides=[8, 1], interleave_factors=[1, 1]>"
    first = f"tensor<fp16, [1, 8]> x{RENAMED} = tensor_buffer_to_tensor<ios17>(input = x)"
    last = f"{buffer} out = tensor_to_tensor_buffer<ios17>(input = out{RENAMED})"
    none = (
        'BackendSupport = list<string, 2>(["unsupported", "unsupported"]), SelectedBackend = string("bnns")'
    )
    body = [f"{first}[{none}, milId = uint64(0)];", *lines, f"{last}[{none}, milId = uint64(9)];"]
    head = '[buildInfo = dict<string, string>({{"coremlc-version", "1"}})]'
    indented = "\n".join(f"            {line}" for line in body)
    function = f"    func main<ios18>({buffer} x) [{constants}] {{\n{indented}\n    }} -> (out);"
    return f"program(1.3)\n{head}\n{{\n{function}\n}}"


def line(
    output: str, operator: str, times: Mapping[str, float], selected: str = "ane", said: str | None = None
) -> str:
    """One operation; `said` is why the engine refuses it."""
    able = ", ".join(f'"{end if end in times else "unsupported"}"' for end in ENDS)
    pairs = ", ".join(f'{{"{end}", {ms!r}}}' for end, ms in sorted(times.items()))
    attributes = [f"BackendSupport = list<string, 3>([{able}])"]
    attributes += [f"EstimatedRuntime = dict<string, fp64>({{{pairs}}})"] * bool(times)
    attributes += [f'SelectedBackend = string("{selected}")']
    if said is not None:
        escaped = said.replace("\\", "\\\\").replace('"', '\\"')
        attributes += [f'ValidationMessage = dict<string, string>({{{{"ane", "{escaped}"}}}})']
    inputs = 'mode = string("a = b(c)"), x = tensor<fp16, [1]>([0x1p+0])'
    return (
        f"tensor<fp16, [1, 8]> {output} = {operator}({inputs})[{', '.join(attributes)}, milId = uint64(1)];"
    )
