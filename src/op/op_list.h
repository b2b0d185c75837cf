/* op_list.h: every op, in the order of a transformer's forward pass. A new op is one file and one row. */
OP(embedding)
OP(linear)
OP(rmsnorm)
OP(rope)
OP(attention)
OP(add)
OP(swiglu)
OP(head)
