import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pipersr_build import models
from pipersr_build.models.paragonsr2 import ParagonSR2Config
from pipersr_build.models.paragonsr2.attention import TokenAttention, WindowAttention, rolled
from pipersr_build.models.paragonsr2.branches import DILATION, LARGEST, Gate, depthwise
from pipersr_build.models.paragonsr2.parts import RMSNorm


def off_their_first_values(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module.double()


def windowed(attention, x):
    """Window attention by its definition: pixel lists, one window after the other."""
    size, shift, channels = attention.window, attention.shift, x.shape[1]
    height, width = x.shape[2:]
    whole = functional.pad(attention.norm(x), (0, -width % size, 0, -height % size))
    whole = torch.roll(whole, (-shift, -shift), (2, 3))
    out = torch.empty_like(whole)
    for top in range(0, whole.shape[2], size):
        for left in range(0, whole.shape[3], size):
            place = (slice(None), slice(None), slice(top, top + size), slice(left, left + size))
            pixels = whole[place].flatten(2).mT  # B, pixels, C
            qkv = functional.linear(pixels, attention.qkv.weight[:, :, 0, 0], attention.qkv.bias)
            q, k, v = qkv.unflatten(2, (3, 4, channels // 4)).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            mixed = functional.linear(mixed, attention.project.weight[:, :, 0, 0], attention.project.bias)
            out[place] = mixed.mT.unflatten(2, (size, size))
    return torch.roll(out, (shift, shift), (2, 3))[:, :, :height, :width]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 13), st.integers(1, 13), st.sampled_from([2, 4, 6]), st.booleans(), st.integers(1, 2))
def test_window_attention_is_its_definition(height, width, window, shifted, batch):
    torch.manual_seed(height * width)
    attention = off_their_first_values(WindowAttention(8, window, window // 2 * shifted))
    x = torch.randn(batch, 8, height, width, dtype=torch.float64)
    torch.testing.assert_close(attention(x), windowed(attention, x), rtol=1e-9, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(-1, 1))
def test_rolled_is_a_roll(height, width, cells):
    x = torch.rand(2, 3, height, width)
    assert torch.equal(rolled(x, cells), torch.roll(x, (-cells, -cells), (2, 3)))


def test_token_attention_is_attention_to_the_tokens():
    torch.manual_seed(0)
    attention = off_their_first_values(TokenAttention(16))
    x = torch.randn(2, 16, 3, 5, dtype=torch.float64)
    pixels = attention.norm(x).flatten(2).mT  # B, pixels, C
    q = functional.linear(pixels, attention.query.weight[:, :, 0, 0], attention.query.bias)
    k, v = (layer(attention.tokens).expand(2, -1, -1) for layer in (attention.key, attention.value))
    mixed = functional.scaled_dot_product_attention(q, k, v)
    out = functional.linear(mixed, attention.project.weight[:, :, 0, 0], attention.project.bias)
    torch.testing.assert_close(attention(x), out.mT.unflatten(2, (3, 5)), rtol=1e-9, atol=1e-12)


def test_the_norm_is_that_of_each_pixels_channels():
    torch.manual_seed(0)
    norm = off_their_first_values(RMSNorm(6))
    x = torch.randn(2, 6, 3, 4, dtype=torch.float64)
    expected = functional.rms_norm(x.movedim(1, 3), (6,), norm.weight, eps=1e-6) + norm.bias
    torch.testing.assert_close(norm(x), expected.movedim(3, 1), rtol=1e-12, atol=1e-12)


def test_squares_beyond_fp16_do_not_overflow_the_norm_under_autocast():
    x = torch.full((1, 4, 1, 1), 60000.0, dtype=torch.float16)
    with torch.autocast("cpu", torch.float16):
        assert torch.allclose(RMSNorm(4)(x), torch.ones(1, 4, 1, 1), atol=1e-3)


@pytest.mark.parametrize("block", ["stream", "photo", "pro"])
def test_a_network_of_half_precision_computes_in_it_throughout(block):
    network = models.build(ParagonSR2Config(block=block, channels=16, blocks=1, window=8)).half().eval()
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 16, 8).half()).dtype == torch.float16


def test_the_gates_product_is_cut_off_at_fp16s_largest():
    x = torch.tensor([3.0, 300.0, -300.0, 300.0]).half().view(1, 4, 1, 1)
    product = Gate()(torch.cat([x, torch.full_like(x, 300.0)], dim=1)).flatten()
    assert product.tolist() == [900.0, LARGEST, -LARGEST, LARGEST]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_an_fp16_product_and_clip_are_the_gate_to_the_last_bit(seed):
    generator = torch.Generator().manual_seed(seed)
    bits = torch.randint(-(2**15), 2**15, (1, 64, 4, 4), generator=generator).to(torch.int16)
    x = bits.view(torch.float16).nan_to_num(1.0, 256.0, -255.875)  # every finite number may occur
    a, b = x.chunk(2, dim=1)
    in_half = (a * b).clamp(-LARGEST, LARGEST)
    assert torch.equal(Gate()(x).half(), in_half)


def test_products_at_the_edge_of_fp16_round_alike():
    a = torch.tensor([65504.0, 65472.0, 255.875, 256.0, 181.0]).half()
    b = torch.tensor([1.0, 1.0009765625, 256.0, 256.0, 362.0]).half()
    gated = Gate()(torch.cat([a, b]).view(1, 10, 1, 1)).half().flatten()
    assert torch.equal(gated, (a * b).clamp(-LARGEST, LARGEST))
    assert gated.max() == LARGEST


def test_a_dilated_kernel_learns_in_bf16_as_in_float32():
    torch.manual_seed(0)
    far = depthwise(16, DILATION).to(memory_format=torch.channels_last)
    x = torch.rand(4, 16, 32, 32).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        far(x).square().mean().backward()
    exact = far.weight.grad.clone()
    far.weight.grad = None
    far(x).square().mean().backward()
    torch.testing.assert_close(exact, far.weight.grad, rtol=0.02, atol=1e-4)
