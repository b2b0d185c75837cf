/* Files are whole or absent; hashes are the published ones. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/scratch.h"

static void assert_holds(const char *path, const char *want)
{
    char *bytes;
    size_t n;
    struct err e = {0};
    if (file_read(path, 1 << 20, &bytes, &n, &e)) fail_msg("%s", e.msg);
    assert_string_equal(bytes, want);
    assert_int_equal(n, strlen(want));
    free(bytes);
}

static size_t names_in(const char *dir)
{
    char **names;
    size_t n;
    assert_int_equal(dir_list(dir, &names, &n, NULL), 0);
    for (size_t i = 0; i < n; i++) free(names[i]);
    free(names);
    return n;
}

static void a_commit_replaces_and_an_abort_leaves_the_old_file(void **state)
{
    (void)state;
    struct err e = {0};
    file_mkdirs(scratch("w/a//b"), &e);
    const char *path = scratch("w/a/b/f");
    assert_int_equal(file_write(path, "old", 3, &e), 0);
    assert_holds(path, "old");
    struct file_out o;
    assert_int_equal(file_out_open(&o, path, &e), 0);
    assert_int_equal(file_out_write(&o, "new", 3, &e), 0);
    assert_holds(path, "old");
    file_out_abort(&o);
    file_out_abort(&o);
    assert_holds(path, "old");
    assert_int_equal(names_in(scratch("w/a/b")), 1);
    assert_int_equal(file_out_open(&o, path, &e), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(file_out_write(&o, "xyz", 3, &e), 0);
    assert_int_equal(file_out_commit(&o, &e), 0);
    file_out_abort(&o);
    assert_holds(path, "xyzxyzxyz");
    assert_int_equal(names_in(scratch("w/a/b")), 1);
    assert_int_equal(file_out_open(&o, scratch("new/folder/f"), &e), 0); /* folders are made */
    file_out_abort(&o);
    char *below = path_join(path, "f");
    assert_int_equal(file_out_open(&o, below, &e), -1);
    assert_non_null(strstr(e.msg, "Not a directory"));
    free(below);
}

static void a_link_is_followed_and_a_pipe_is_written_into(void **state)
{
    (void)state;
    struct err e = {0};
    char *target = alloc_str(scratch("target")), *link = alloc_str(scratch("link"));
    char *fifo = alloc_str(scratch("fifo"));
    struct stat st;
    assert_int_equal(file_write(target, "old", 3, &e), 0);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(file_write(link, "new", 3, &e), 0);
    assert_holds(target, "new");
    assert_true(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));

    assert_int_equal(mkfifo(fifo, 0600), 0);
    int reader = open(fifo, O_RDONLY | O_NONBLOCK);
    char got[8] = "";
    assert_int_equal(file_write(fifo, "bytes", 5, &e), 0);
    assert_int_equal(read(reader, got, sizeof got), 5);
    assert_string_equal(got, "bytes");
    assert_true(lstat(fifo, &st) == 0 && S_ISFIFO(st.st_mode));
    close(reader);
    free(target);
    free(link);
    free(fifo);
}

static void large_writes_in_odd_pieces_arrive_whole(void **state)
{
    (void)state;
    struct file_out o;
    struct err e = {0};
    size_t total = 5 << 20, at = 0;
    uint8_t *bytes = alloc_or_die(total);
    for (size_t i = 0; i < total; i++) bytes[i] = (uint8_t)(i * 2654435761U >> 13);
    assert_int_equal(file_out_open(&o, scratch("large"), &e), 0);
    for (size_t piece = 1; at < total; piece = piece * 3 + 1) {
        size_t n = piece < total - at ? piece : total - at;
        assert_int_equal(file_out_write(&o, bytes + at, n, &e), 0);
        at += n;
    }
    assert_int_equal(file_out_commit(&o, &e), 0);
    struct file_map m;
    assert_int_equal(file_map_open(&m, scratch("large"), &e), 0);
    assert_int_equal(m.n, total);
    assert_memory_equal(m.p, bytes, total);
    file_map_close(&m);
    assert_int_equal(file_copy(scratch("large"), scratch("copy"), &e), 0);
    assert_int_equal(file_size(scratch("copy")), total);
    char a[HASH_HEX], b[HASH_HEX];
    assert_int_equal(hash_file(scratch("copy"), a, &e), 0);
    hash_bytes(bytes, total, b);
    assert_string_equal(a, b);
    free(bytes);
}

/* A full disk, by way of a limit on the size of files. 0: failed as it must and the old file stands. */
static int write_on_a_full_disk(void)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {100000, 100000};
    setrlimit(RLIMIT_FSIZE, &limit);
    struct err e = {0};
    size_t n = 3 << 20;
    char *bytes = calloc(n, 1);
    int rc = file_write(scratch("full"), bytes, n, &e);
    free(bytes);
    if (rc == 0 || !strstr(e.msg, "File too large")) return 1;
    struct file_out o;
    char half[60000] = {0};
    if (file_out_open(&o, scratch("full"), &e)) return 2;
    /* Fits the buffer, so it is the commit that meets the limit. */
    if (file_out_write(&o, half, sizeof half, &e) || file_out_write(&o, half, sizeof half, &e)) return 3;
    if (file_out_commit(&o, &e) == 0) return 4;
    if (file_append(scratch("log"), half, sizeof half, &e)) return 5;
    if (file_append(scratch("log"), half, sizeof half, &e) == 0) return 6;
    if (file_size(scratch("log")) != sizeof half) return 7;
    return 0;
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    file_write(scratch("full"), "precious", 8, NULL);
    size_t before = names_in(scratch_dir);
    pid_t child = fork();
    if (child == 0) _exit(write_on_a_full_disk());
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_holds(scratch("full"), "precious");
    assert_int_equal(names_in(scratch_dir), before + 1); /* only "log" is new: no temporary stays */
    struct err e = {0};
    assert_int_equal(file_append("/dev/full", "x", 1, &e), -1);
    assert_non_null(strstr(e.msg, "No space left on device"));
}

static void reading_tells_what_is_wrong(void **state)
{
    (void)state;
    struct err e = {0};
    char *bytes;
    size_t n;
    struct file_map m;
    file_write(scratch("five"), "12345", 5, NULL);
    assert_int_equal(file_read(scratch("five"), 4, &bytes, &n, &e), -1);
    assert_non_null(strstr(e.msg, "larger than the 4 bytes"));
    assert_int_equal(file_read(scratch("five"), 5, &bytes, &n, &e), 0);
    free(bytes);
    assert_int_equal(file_read(scratch("nothing"), 5, &bytes, &n, &e), -1);
    assert_non_null(strstr(e.msg, "nothing: No such file"));
    assert_int_equal(file_read(scratch_dir, 5, &bytes, &n, &e), -1);
    assert_non_null(strstr(e.msg, "is a folder"));
    file_write(scratch("empty"), "", 0, NULL);
    assert_int_equal(file_map_open(&m, scratch("empty"), &e), -1);
    assert_non_null(strstr(e.msg, "is empty"));
    assert_int_equal(file_read(scratch("empty"), 5, &bytes, &n, &e), 0);
    assert_int_equal(n, 0);
    assert_string_equal(bytes, "");
    free(bytes);
    /* Files of /proc have size 0 and yet hold bytes. */
    assert_int_equal(file_read("/proc/self/status", 1 << 20, &bytes, &n, &e), 0);
    assert_true(n > 100);
    free(bytes);
    assert_int_equal(file_mkdirs(scratch("five/x"), &e), -1);
    assert_int_equal(hash_file(scratch_dir, (char[HASH_HEX]){0}, &e), -1);
}

static void folders_are_listed_in_order_and_removed_without_following_links(void **state)
{
    (void)state;
    struct err e = {0};
    file_mkdirs(scratch("tree/deep/er"), &e);
    file_mkdirs(scratch("kept"), &e);
    file_write(scratch("kept/file"), "x", 1, &e);
    file_write(scratch("tree/b"), "", 0, &e);
    file_write(scratch("tree/B"), "", 0, &e);
    file_write(scratch("tree/deep/er/c"), "", 0, &e);
    assert_int_equal(symlink(scratch("kept"), scratch("tree/link")), 0);
    char **names;
    size_t n;
    assert_int_equal(dir_list(scratch("tree"), &names, &n, &e), 0);
    assert_int_equal(n, 4);
    static const char *const want[] = {"B", "b", "deep", "link"};
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(names[i], want[i]);
        free(names[i]);
    }
    free(names);
    assert_int_equal(file_remove_tree(scratch("tree"), &e), 0);
    assert_false(file_exists(scratch("tree")));
    assert_holds(scratch("kept/file"), "x");
    assert_int_equal(file_remove_tree(scratch("tree"), &e), 0);
    assert_int_equal(file_remove_tree("/", &e), -1);
    assert_int_equal(file_remove_tree("", &e), -1);
    assert_int_equal(file_remove_tree("//..", &e), -1);
    assert_int_equal(file_rename(scratch("kept"), scratch("moved"), &e), 0);
    assert_true(file_is_dir(scratch("moved")));
    assert_int_equal(dir_list(scratch("kept"), &names, &n, &e), -1);
}

static void paths_join_and_split(void **state)
{
    (void)state;
    static const char *const joins[][3] = {{"a", "b", "a/b"},   {"a/", "b", "a/b"}, {"a/", "/b", "a/b"},
                                           {"", "b", "b"},      {"/", "b", "/b"},   {"", "/b", "/b"},
                                           {"a//", "b", "a/b"}, {"a", "", "a"}};
    static const char *const dirs[][2] = {{"a/b", "a"},  {"a", "."},    {"/a", "/"}, {"/", "/"},
                                          {"a/b/", "a"}, {"a//b", "a"}, {"", "."}};
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++) {
        char *p = path_join(joins[i][0], joins[i][1]);
        assert_string_equal(p, joins[i][2]);
        free(p);
    }
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        char *p = path_dir(dirs[i][0]);
        assert_string_equal(p, dirs[i][1]);
        free(p);
    }
    assert_string_equal(path_base("a/b.c"), "b.c");
    assert_string_equal(path_base("b.c"), "b.c");
}

static void hashes_are_the_published_ones(void **state)
{
    (void)state;
    char hex[HASH_HEX], again[HASH_HEX], chunk[HASH_HEX];
    hash_bytes("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_bytes("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(crc32c("123456789", 9), 0xE3069283);
    uint8_t zeros[32] = {0};
    assert_int_equal(crc32c(zeros, 32), 0x8A9136AA); /* RFC 3720, B.4 */
    /* The tree of hash_array: one chunk is the hash of the raw digest of the bytes. */
    hash_array("abc", 3, again);
    hash_bytes("\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3\x96\x17\x7a"
               "\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad",
               32, chunk);
    assert_string_equal(again, chunk);
    size_t n = (3 << 20) + 5;
    uint8_t *bytes = calloc(n, 1);
    bytes[n - 1] = 1;
    hash_array(bytes, n, hex);
    pool_start(3);
    hash_array(bytes, n, again);
    pool_stop();
    assert_string_equal(hex, again);
    bytes[0] = 1;
    hash_array(bytes, n, again);
    assert_string_not_equal(hex, again);
    free(bytes);
    hash_array(NULL, 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_replaces_and_an_abort_leaves_the_old_file),
        cmocka_unit_test(a_link_is_followed_and_a_pipe_is_written_into),
        cmocka_unit_test(large_writes_in_odd_pieces_arrive_whole),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(reading_tells_what_is_wrong),
        cmocka_unit_test(folders_are_listed_in_order_and_removed_without_following_links),
        cmocka_unit_test(paths_join_and_split),
        cmocka_unit_test(hashes_are_the_published_ones),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
