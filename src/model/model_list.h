/* model_list.h: the architectures. One file and one row each. Of two with the same name in GGUF the first
 * reads such files. */
ARCH(llama)
ARCH(qwen2)
ARCH(qwen3)
ARCH(qwen3_moe)
ARCH(mistral)
ARCH(mixtral)
ARCH(smollm3)
ARCH(gemma2)
ARCH(gemma3)
ARCH(deepseek_v2)
ARCH(deepseek_v3)
