/* form_list.h: the forms, in the order in which a row is tried. */
FORM(tokens)
FORM(prompt_completion)
FORM(messages)
FORM(text)
FORM(qa)
