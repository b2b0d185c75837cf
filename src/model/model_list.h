/* model_list.h: the architectures. One file and one row each. */
ARCH(llama)
ARCH(qwen2)
