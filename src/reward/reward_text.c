/* reward_text.c: Unicode, as Python sees it: blanks, lower case, words.
 *
 * Chinese is written without blanks. Open-R1 cuts it with jieba's dictionary; here the longest of some
 * frequent words is taken, and any other character stands alone, so that no dictionary of megabytes
 * decides.
 */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/check.h"
#include "base/str.h"
#include "reward/reward_int.h"

int text_code_point(const char *p, size_t n, size_t *length)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t k = utf8proc_iterate((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, &c);
    *length = k > 0 ? (size_t)k : 1;
    return k > 0 ? c : 0xfffd;
}

bool text_space(int c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

/* ---- words ------------------------------------------------------------------------------------------- */

static const char *const frequent[] = {
    "这个", "那个", "一个",   "哪个", "每个",   "我们",   "你们",   "他们", "她们", "它们", "自己", "大家",
    "什么", "怎么", "为什么", "这样", "那样",   "怎样",   "这些",   "那些", "这里", "那里", "哪里", "因为",
    "所以", "因此", "但是",   "可是", "不过",   "然而",   "而且",   "并且", "或者", "还是", "如果", "那么",
    "虽然", "即使", "由于",   "于是", "然后",   "首先",   "其次",   "最后", "接着", "现在", "已经", "正在",
    "可以", "可能", "能够",   "应该", "必须",   "需要",   "不能",   "不是", "没有", "就是", "只有", "只是",
    "还有", "也是", "都是",   "知道", "认为",   "觉得",   "看到",   "得到", "得出", "发现", "考虑", "假设",
    "设定", "计算", "求解",   "证明", "等于",   "大于",   "小于",   "相等", "相同", "不同", "满足", "存在",
    "任意", "所有", "全部",   "其中", "之间",   "以及",   "根据",   "通过", "关于", "对于", "问题", "题目",
    "答案", "结果", "结论",   "方法", "步骤",   "条件",   "情况",   "方程", "函数", "数字", "整数", "分数",
    "小数", "面积", "体积",   "长度", "三角形", "正方形", "长方形", "圆形", "角度", "直线", "概率", "代入",
    "化简", "时候", "时间",   "今天", "明天",   "昨天",   "非常",   "一样", "一些", "一定", "一直", "一起",
    "开始", "继续", "再次",   "检查", "验证",   "思考",   "理解",   "清楚", "正确", "错误", "简单", "复杂",
};

static size_t chinese_length(const char *p, size_t n)
{
    size_t best = 0, length;
    for (size_t i = 0; i < sizeof frequent / sizeof *frequent; i++) {
        size_t k = strlen(frequent[i]);
        if (k > best && k <= n && memcmp(p, frequent[i], k) == 0) best = k;
    }
    if (best) return best;
    text_code_point(p, n, &length);
    return length;
}

/* The number of a word; a new one for a new word. */
static int word_number(json_t *known, const char *word)
{
    const json_t *v = json_object_get(known, word);
    if (v) return (int)json_integer_value(v);
    int id = (int)json_object_size(known);
    json_object_set_new_nocheck(known, word, json_integer(id));
    return id;
}

static bool is_letter(int c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

/* Lower case; a sigma that ends a word becomes the final one, as in Python. */
static void lower_add(struct str *out, const char *p, size_t n)
{
    bool after_letter = false;
    for (size_t i = 0, length, next; i < n; i += length) {
        int c = text_code_point(p + i, n - i, &length);
        int low = utf8proc_tolower(c);
        bool last = i + length >= n || !is_letter(text_code_point(p + i + length, n - i - length, &next));
        utf8proc_uint8_t bytes[4];
        if (c == 0x3a3 && after_letter && last) low = 0x3c2;
        utf8proc_ssize_t k = utf8proc_encode_char(low, bytes);
        str_add(out, (const char *)bytes, k > 0 ? (size_t)k : 0);
        after_letter = is_letter(c);
    }
}

/* Bytes of the word at p: up to the next blank, or as Chinese is cut. 0 at a blank. */
static size_t word_length(const char *p, size_t n, enum words_cut how)
{
    size_t k = 0, length;
    if (how == WORDS_BLANKS) {
        while (k < n && !text_space(text_code_point(p + k, n - k, &length))) k += length;
        return k;
    }
    while (k < n && ((p[k] >= '0' && p[k] <= '9') || ((p[k] | 32) >= 'a' && (p[k] | 32) <= 'z'))) k++;
    return k ? k : chinese_length(p, n);
}

void words_read(struct words *w, const char *text, enum words_cut how)
{
    size_t n = strlen(text), length;
    json_t *known = json_object();
    struct str word;
    str_init(&word, 0);
    *w = (struct words){.id = alloc_zero(n + 1, sizeof *w->id)};
    for (size_t i = 0; i < n;) {
        size_t k = word_length(text + i, n - i, how);
        if (!k) {
            text_code_point(text + i, n - i, &length);
            i += length;
            continue;
        }
        str_clear(&word);
        if (how == WORDS_BLANKS)
            lower_add(&word, text + i, k);
        else
            str_add(&word, text + i, k);
        w->id[w->n++] = word_number(known, word.p);
        i += k;
    }
    str_release(&word);
    json_decref(known);
}

void words_release(struct words *w)
{
    free(w->id);
    *w = (struct words){0};
}
