"""PyTorch's process: the same questions and answers as `serve.ts`, the same numbers as `inputs.ts`."""

import json
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(0)
UNIT = math.sqrt(3)
WINDOW_KEYS = 256
MOST_SPOTS = 2000
OPTIONS = json.loads(sys.argv[1])


def values(seed, size, scale=1.0):
    h = np.arange(size, dtype=np.uint32) + np.uint32(((seed + 1000 * OPTIONS["seed"]) * 0x9E3779B1) & 0xFFFFFFFF)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return (((h >> np.uint32(8)).astype(np.float64) / 2**23 - 1) * scale).astype(np.float32)


def put(seed, shape, scale=1.0):
    return torch.from_numpy(values(seed, math.prod(shape), scale).reshape(shape))


def labels(seed, size, count):
    return torch.from_numpy(np.floor((values(seed, size).astype(np.float64) + 1) / 2 * count).astype(np.int64))


def make(seed, shapes):
    made = {}
    for i, (name, shape) in enumerate(shapes):
        size = math.prod(shape)
        plain = "token" in name or "pos" in name
        fan_in = size / shape[0] if len(shape) > 1 and not plain else 2500
        data = values(seed + i, size, UNIT / math.sqrt(fan_in))
        if "norm" in name and name.endswith("weight"):
            data = (1 + data.astype(np.float64)).astype(np.float32)
        made[name] = torch.from_numpy(data.reshape(shape))
    return made


def block_parameters(E, seed, prefix=""):
    parts = [("norm1.weight", [E]), ("norm1.bias", [E]), ("attn.qkv.weight", [3 * E, E]), ("attn.qkv.bias", [3 * E]),
             ("attn.proj.weight", [E, E]), ("attn.proj.bias", [E]), ("norm2.weight", [E]), ("norm2.bias", [E]),
             ("mlp.fc1.weight", [4 * E, E]), ("mlp.fc1.bias", [4 * E]), ("mlp.fc2.weight", [E, 4 * E]), ("mlp.fc2.bias", [E])]
    return make(seed, [(prefix + name, shape) for name, shape in parts])


def vit_parameters(w):
    E, p = w["embedDim"], w["patchSize"]
    L = (w["imageSize"] // p) ** 2 + 1
    made = make(1, [("cls_token", [1, 1, E]), ("pos_embed", [1, L, E]), ("patch_embed.proj.weight", [E, 3, p, p]), ("patch_embed.proj.bias", [E])])
    for i in range(w["depth"]):
        made.update(block_parameters(E, 100 + 20 * i, f"blocks.{i}."))
    made.update(make(50, [("norm.weight", [E]), ("norm.bias", [E]), ("head.weight", [w["numClasses"], E]), ("head.bias", [w["numClasses"]])]))
    return made


def recurrent_parameters(w, gates):
    I, H = w["I"], w["H"]
    return make(7, [("weight_ih_l0", [gates * H, I]), ("weight_hh_l0", [gates * H, H]), ("bias_ih_l0", [gates * H]), ("bias_hh_l0", [gates * H])])


def attend(q, k, v, mask=None):
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)
    return torch.softmax(scores if mask is None else scores + mask, -1) @ v


def block(x, p, prefix, heads):
    B, L, E = x.shape
    norm = lambda y, name: F.layer_norm(y, [E], p[f"{prefix}{name}.weight"], p[f"{prefix}{name}.bias"], 1e-6)
    linear = lambda y, name: F.linear(y, p[f"{prefix}{name}.weight"], p[f"{prefix}{name}.bias"])
    q, k, v = linear(norm(x, "norm1"), "attn.qkv").reshape(B, L, 3, heads, E // heads).permute(2, 0, 3, 1, 4)
    x = x + linear(attend(q, k, v).transpose(1, 2).reshape(B, L, E), "attn.proj")
    return x + linear(F.gelu(linear(norm(x, "norm2"), "mlp.fc1")), "mlp.fc2")


def vit(images, p, w):
    B, E = images.shape[0], w["embedDim"]
    patches = F.conv2d(images, p["patch_embed.proj.weight"], p["patch_embed.proj.bias"], stride=w["patchSize"]).flatten(2).transpose(1, 2)
    x = torch.cat([p["cls_token"].expand(B, -1, -1), patches], 1) + p["pos_embed"]
    for i in range(w["depth"]):
        x = block(x, p, f"blocks.{i}.", w["numHeads"])
    return F.linear(F.layer_norm(x[:, 0], [E], p["norm.weight"], p["norm.bias"], 1e-6), p["head.weight"], p["head.bias"])


def training(parameters, loss):
    leaves = [leaf.requires_grad_() for leaf in parameters.values()]
    optimiser = torch.optim.Adam(leaves, lr=1e-3)

    def step():
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
        return value.detach().reshape(1)

    return step


def recurrent(w, kind):
    network = getattr(torch.nn, kind)(w["I"], w["H"], batch_first=True)
    network.load_state_dict(recurrent_parameters(w, 4 if kind == "LSTM" else 3))
    return network


def attention_operands(w):
    shape = [w["B"], w["H"], w["L"], w["D"]]
    return put(1, shape, UNIT), put(2, shape, UNIT), put(3, shape)


def attention_of(w, q, k, v):
    L = w["L"]
    if w["mask"] == "causal" and hasattr(F, "scaled_dot_product_attention"):
        return lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True)
    mask = None
    if w["mask"] != "full":
        i, j = torch.arange(L)[:, None], torch.arange(L)[None]
        seen = (j <= i) & (j > i - (L if w["mask"] == "causal" else WINDOW_KEYS))
        mask = torch.where(seen, 0.0, -math.inf)
    return lambda: attend(q, k, v, mask)


def prepare(w):
    kind = w["kind"]
    if kind == "matmul":
        a, b = put(1, [w["m"], w["k"]]), put(2, [w["k"], w["n"]])
        return lambda: a @ b
    if kind == "attention":
        return attention_of(w, *attention_operands(w))
    if kind in ("softmax", "layerNorm", "gelu"):
        x, weight, bias = put(1, [w["rows"], w["columns"]], 2 * UNIT), put(2, [w["columns"]]), put(3, [w["columns"]])
        return {"softmax": lambda: torch.softmax(x, -1), "layerNorm": lambda: F.layer_norm(x, [w["columns"]], weight, bias), "gelu": lambda: F.gelu(x)}[kind]
    if kind == "block":
        p, x = block_parameters(w["embedDim"], 100), put(1, [1, w["L"], w["embedDim"]], UNIT)
        return lambda: block(x, p, "", w["numHeads"])
    if kind in ("vit", "vitTraining"):
        p, images = vit_parameters(w), put(2, [w["batch"], 3, w["imageSize"], w["imageSize"]], UNIT)
        if kind == "vit":
            return lambda: vit(images, p, w)
        target = labels(3, w["batch"], w["numClasses"])
        return training(p, lambda: F.cross_entropy(vit(images, p, w), target))
    if kind in ("lstm", "gru", "lstmTraining"):
        network, x = recurrent(w, "GRU" if kind == "gru" else "LSTM"), put(1, [w["B"], w["T"], w["I"]], UNIT)
        if kind != "lstmTraining":
            return lambda: network(x)[0]
        return training(dict(network.named_parameters()), lambda: network(x)[0].square().mean())
    C, k = w["channels"], w["kernel"]
    x, weight = put(1, [1, C, w["size"], w["size"]], UNIT), put(2, [C, C, k, k], UNIT / math.sqrt(C * k * k))
    return lambda: F.conv2d(x, weight, padding=(k - 1) // 2)


def call(run, learns):
    with torch.set_grad_enabled(learns):
        return run().detach().numpy()


def spots_of(result):
    flat = result.reshape(-1)
    if flat.size <= MOST_SPOTS:
        return flat.tolist()
    stride = (flat.size // MOST_SPOTS - 1) | 1
    return flat[: stride * MOST_SPOTS : stride].tolist()


def status(field):
    with open("/proc/self/status") as lines:
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def memory(w):
    operands = attention_operands(w)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = status("VmRSS")
    call(attention_of(w, *operands), False)
    return {"mebibytes": (status("VmHWM") - before) / 2**20}


def main():
    torch.set_num_threads(OPTIONS["threads"])
    answers = os.fdopen(3, "w")

    def say(message):
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    say({"ready": {"version": torch.__version__}})
    run = None
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if question["ask"] == "prepare":
                learns = question["work"]["kind"].endswith("Training")
                run = prepare(question["work"])
                spots, fastest = [], math.inf
                for i in range(max(question["calls"], 3)):
                    start = time.perf_counter()
                    result = call(run, learns)
                    fastest = min(fastest, 1000 * (time.perf_counter() - start))
                    if i < question["calls"]:
                        spots += spots_of(result)
                say({"route": "torch", "milliseconds": fastest, "spots": spots, "tried": {"torch": fastest}})
            elif question["ask"] == "sample":
                for _ in range(question["before"]):
                    call(run, learns)
                start = time.perf_counter()
                for _ in range(question["calls"]):
                    call(run, learns)
                say({"milliseconds": 1000 * (time.perf_counter() - start) / question["calls"]})
            else:
                say(memory(question["work"]))
        except Exception as error:  # The next question may still be answered.
            say({"error": str(error)})


main()
