/* The sandbox: what an honest program gets, and what each attack comes to. As root, all is run a second time
 * as an ordinary user. */
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/pool.h"
#include "verify/verify.h"

static struct sandbox_limits small(void)
{
    struct sandbox_limits l = sandbox_limits_default;
    l.cpu_s = 2;
    l.wall_s = 10;
    l.memory = (size_t)128 << 20;
    l.output = 1 << 20;
    l.disk = 8 << 20;
    l.processes = 24;
    return l;
}

/* One program under small limits; the caller releases r. */
static void run(const char *language, const char *text, const struct sandbox_limits *limits,
                struct sandbox_result *r)
{
    const char *const argv[] = {language, strcmp(language, "sh") ? "main" : "-c",
                                strcmp(language, "sh") ? NULL : text, NULL};
    struct sandbox_file file = {"main", text, strlen(text), false};
    struct sandbox_limits l = limits ? *limits : small();
    struct sandbox_job job = {.argv = argv, .files = &file, .n_files = 1, .limits = l};
    struct err e = {0};
    if (sandbox_run(&job, r, &e)) fail_msg("%s", e.msg);
}

static void says(const char *language, const char *text, const char *expected)
{
    struct sandbox_result r;
    run(language, text, NULL, &r);
    if (strcmp(r.out.p, expected) != 0)
        fail_msg("%s\nprints \"%s\", end %d, status %d: %s", text, r.out.p, r.end, r.status, r.err.p);
    sandbox_result_release(&r);
}

static void ends(const char *language, const char *text, enum sandbox_end end)
{
    struct sandbox_result r;
    run(language, text, NULL, &r);
    if (r.end != end)
        fail_msg("%s\nend %d, status %d, %.2f s, %zu bytes: %.200s %s", text, r.end, r.status, r.wall_s,
                 r.memory, r.out.p, r.err.p);
    assert_true(r.wall_s < 14);
    sandbox_result_release(&r);
}

#define PY "/usr/bin/python3"

static void an_honest_program_gets_input_files_and_a_verdict(void **state)
{
    (void)state;
    struct sandbox_result r;
    struct err e = {0};
    const char *const argv[] = {"sh", "-c", "cat; cat a/b; ./run; echo err >&2; exit 3", NULL};
    const struct sandbox_file files[] = {{"a/b", "two ", 4, false},
                                         {"run", "#!/bin/sh\necho three\n", 21, true}};
    struct sandbox_job job = {
        .argv = argv, .files = files, .n_files = 2, .input = "one ", .n_input = 4, .limits = small()};
    if (sandbox_run(&job, &r, &e)) fail_msg("%s", e.msg);
    assert_string_equal(r.out.p, "one two three\n");
    assert_string_equal(r.err.p, "err\n");
    assert_int_equal(r.end, SANDBOX_EXITED);
    assert_int_equal(r.status, 3);
    sandbox_result_release(&r);
    run("sh", "kill -SEGV $$; sleep 1", NULL, &r);
    assert_int_equal(r.end, SANDBOX_SIGNAL);
    assert_int_equal(r.status, SIGSEGV);
    sandbox_result_release(&r);
    says("sh", "pwd; echo $HOME; echo hi >/tmp/x; cat /tmp/x; ls", "/box\n/tmp\nhi\nmain\n");
    says("sh", "echo $LANG; id -u; hostname", "C.UTF-8\n1000\nsandbox\n");
}

static void bytes_go_through_unchanged(void **state)
{
    (void)state;
    struct sandbox_result r;
    struct err e = {0};
    const char *const argv[] = {"cat", NULL};
    size_t n = 900000;
    char *bytes = malloc(n);
    for (size_t i = 0; i < n; i++) bytes[i] = (char)(i * 2654435761U >> 13);
    struct sandbox_job job = {.argv = argv, .input = bytes, .n_input = n, .limits = small()};
    if (sandbox_run(&job, &r, &e)) fail_msg("%s", e.msg);
    assert_int_equal(r.out.len, n);
    assert_memory_equal(r.out.p, bytes, n);
    sandbox_result_release(&r);
    free(bytes);
    says("sh", "exec 0</dev/null; true", ""); /* input that nobody reads */
}

static void names_outside_of_the_folder_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"../x", "/etc/x", "a/../../x", "", "a//b", "./a", "a/", "..", NULL};
    for (int i = 0; names[i]; i++) {
        struct sandbox_result r;
        struct err e = {0};
        const char *const argv[] = {"true", NULL};
        struct sandbox_file f = {names[i], "", 0, false};
        struct sandbox_job job = {.argv = argv, .files = &f, .n_files = 1, .limits = small()};
        assert_int_equal(sandbox_run(&job, &r, &e), -1);
        assert_non_null(strstr(e.msg, "no name of a file"));
        sandbox_result_release(&r);
    }
}

static void time_runs_out(void **state)
{
    (void)state;
    ends("sh", "while :; do :; done", SANDBOX_TIME);
    ends("sh", "trap '' TERM INT HUP XCPU; while :; do :; done", SANDBOX_TIME);
    ends(PY, "import os\nfor i in range(3): os.fork()\nwhile 1: pass\n", SANDBOX_TIME);
    struct sandbox_result r;
    struct sandbox_limits l = small();
    l.wall_s = 0.5;
    run("sh", "exec 1>&- 2>&-; sleep 100", &l, &r); /* closes its output and goes on */
    assert_int_equal(r.end, SANDBOX_TIME);
    assert_true(r.wall_s < 5);
    sandbox_result_release(&r);
}

static void memory_runs_out(void **state)
{
    (void)state;
    ends(PY, "x=[]\nwhile 1: x.append(bytearray(b'a'*1000000))\n", SANDBOX_MEMORY);
    /* many processes, each below the limit */
    ends(PY,
         "import os,time\nfor i in range(8):\n if os.fork()==0:\n  x=bytearray(b'a'*40000000)\n  "
         "time.sleep(9)\n"
         "time.sleep(9)\n",
         SANDBOX_MEMORY);
    ends(PY, "import mmap\nx=mmap.mmap(-1,1<<29)\nfor i in range(0,1<<29,4096): x[i]=1\n", SANDBOX_MEMORY);
    /* one request beyond what a process may map is refused to the program itself */
    says(PY, "try:\n bytearray(1<<40)\nexcept MemoryError: print('no')\n", "no\n");
    /* memory that belongs to no process */
    says(PY,
         "import os\ntry:\n os.memfd_create('x')\nexcept OSError as e: print(e.errno)\n"
         "import ctypes\nprint(ctypes.CDLL(None).shmget(0,1<<20,0o1666))\n",
         "1\n-1\n");
}

static void a_fork_bomb_ends_itself(void **state)
{
    (void)state;
    struct sandbox_result r;
    struct sandbox_limits l = small();
    l.wall_s = 3;
    run(PY,
        "import os,time\nn=0\ntry:\n while 1:\n  if os.fork()==0: time.sleep(30)\n  n+=1\nexcept OSError as "
        "e:\n"
        " print(n<30, n>10, e.errno)\n",
        NULL, &r);
    assert_string_equal(r.out.p, "True True 11\n");
    assert_true(r.wall_s < 9); /* the children die with it */
    sandbox_result_release(&r);
    run("sh", "b() { b | b & }; b; sleep 20", &l, &r);
    assert_true(r.wall_s < 8);
    sandbox_result_release(&r);
    says("sh", "echo alive", "alive\n");
}

static void output_is_cut(void **state)
{
    (void)state;
    struct sandbox_result r;
    run("sh", "yes", NULL, &r);
    assert_int_equal(r.end, SANDBOX_OUTPUT);
    assert_int_equal(r.out.len, 1 << 20);
    assert_true(r.wall_s < 5);
    sandbox_result_release(&r);
    run(PY, "import sys\nsys.stdout.write('x'*3000000)", NULL, &r); /* one line */
    assert_int_equal(r.end, SANDBOX_OUTPUT);
    sandbox_result_release(&r);
    run("sh", "yes | head -c 1000000 >&2; echo end >&2", NULL, &r);
    assert_int_equal(r.end, SANDBOX_EXITED);
    assert_true(r.err.len <= 16 << 10);
    assert_string_equal(r.err.p + r.err.len - 5, "\nend\n");
    sandbox_result_release(&r);
    run("sh", "yes >&2", NULL, &r);
    assert_int_equal(r.end, SANDBOX_OUTPUT);
    assert_true(r.err.len <= 16 << 10);
    sandbox_result_release(&r);
    says("sh", "printf '\\000\\377\\200'; echo", ""); /* compared as a C string: the NUL is the first byte */
}

static void files_of_the_machine_are_out_of_reach(void **state)
{
    (void)state;
    char host[] = "/var/tmp/openr1-host-XXXXXX", text[512];
    int fd = mkstemp(host);
    assert_true(fd >= 0 && write(fd, "secret\n", 7) == 7);
    chmod(host, 0666);
    snprintf(text, sizeof text, "cat %s 2>/dev/null; echo x >%s; rm -f %s; mkdir -p /var/tmp; true", host,
             host, host);
    says("sh", text, "");
    assert_int_equal(lseek(fd, 0, SEEK_END), 7);
    assert_int_equal(access(host, F_OK), 0);
    close(fd);
    unlink(host);
    says("sh", "cat /etc/shadow /etc/passwd /root /home/* /proc/kcore 2>/dev/null; true", "");
    says("sh", "ls /root /home /var /work /mnt /media /opt /sys 2>/dev/null; true", "");
    says("sh",
         "for f in /x /usr/x /usr/bin/x /etc/x /dev/x /proc/x /lib/x; do echo 1 2>/dev/null >$f; done; true",
         "");
    says("sh", "rm -rf /usr/bin /bin /etc /box/* 2>/dev/null; ls /usr/bin/env", "/usr/bin/env\n");
    /* symbolic links, and the ways through /proc */
    says("sh", "ln -s /etc/shadow a; cat a 2>/dev/null; cat /proc/1/root/etc/shadow 2>/dev/null; true", "");
    says("sh", "cat /proc/*/environ | tr '\\0' '\\n' | grep -c -i -e secret_of_host -e HF_TOKEN; true",
         "0\n");
    says("sh", "echo 1 2>/dev/null >/proc/sys/kernel/panic; echo b 2>/dev/null >/proc/sysrq-trigger; true",
         "");
    says("sh", "ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3 "); /* 3 is ls's own */
}

static void disks_fill_no_further_than_allowed(void **state)
{
    (void)state;
    says(PY,
         "def fill(d):\n n=0\n try:\n  for i in range(1000):\n   with open(f'{d}/f{i}','wb') as f:\n    "
         "f.write(b'x'*1000000);"
         " n+=1\n except OSError: pass\n return n\n"
         "print(fill('/box')<=8, fill('/tmp')<=8, fill('/dev/shm')<=8, fill('/dev'), fill('/'))\n",
         "True True True 0 0\n");
}

static void the_network_is_not_there(void **state)
{
    (void)state;
    /* a server of this machine on loopback, one on a path, one without a path (abstract) */
    int tcp = socket(AF_INET, SOCK_STREAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    assert_int_equal(listen(tcp, 1), 0);
    getsockname(tcp, (struct sockaddr *)&at, &n);
    int port = ntohs(((struct sockaddr_in *)&at)->sin_port);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path + 1, 64, "openr1-%d", (int)getpid());
    assert_int_equal(
        bind(local, (struct sockaddr *)&name,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name.sun_path + 1))),
        0);
    assert_int_equal(listen(local, 1), 0);
    char text[1500];
    snprintf(text, sizeof text,
             "import socket as s\n"
             "def t(f,*a):\n try:\n  f(*a); print('reached',a)\n except OSError as e: pass\n"
             "t(s.create_connection,('127.0.0.1',%d),2)\n"
             "t(s.create_connection,('1.1.1.1',53),2)\n"
             "t(s.gethostbyname,'example.com')\n"
             "u=s.socket(s.AF_INET,s.SOCK_DGRAM); t(u.sendto,b'x',('8.8.8.8',53))\n"
             "u=s.socket(s.AF_INET6,s.SOCK_DGRAM); t(u.sendto,b'x',('2001:4860:4860::8888',53))\n"
             "x=s.socket(s.AF_UNIX); t(x.connect,'\\0%s')\n"
             "t(x.connect,'/run/docker.sock'); t(x.connect,'/dev/log')\n"
             "for f in (16,17,38,40,31): t(s.socket,f,s.SOCK_RAW)\n"
             "t(s.socket,s.AF_INET,s.SOCK_RAW,1)\nprint('done')\n",
             port, name.sun_path + 1);
    says(PY, text, "done\n");
    close(tcp);
    close(local);
}

static void other_processes_are_out_of_reach(void **state)
{
    (void)state;
    char text[400];
    pid_t other = fork();
    if (other == 0)
        for (;;) pause();
    snprintf(text, sizeof text, "kill -9 %d %d 2>/dev/null; kill -9 -1; echo %d", (int)other, (int)getpid(),
             7);
    struct sandbox_result r;
    run("sh", text, NULL, &r); /* kills all that it can see */
    sandbox_result_release(&r);
    assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    says("sh", "kill -9 1; kill -STOP 1; kill -TERM $PPID; echo on", "on\n"); /* its parent, process 1 */
    says("sh", "ls /proc >list; grep -c '^[0-9]' list", "3\n");               /* shells 1 and 2, ls */
    says(PY,
         "import ctypes,os\nc=ctypes.CDLL(None,use_errno=True)\n"
         "print(c.ptrace(16,1,0,0), ctypes.get_errno(), c.unshare(0x10000000), "
         "c.mount(b'/box',b'/usr',0,4096,0),"
         " c.chroot(b'/box'), c.syscall(321,0,0,0), c.setuid(0), c.setns(0,0))\n",
         "-1 1 -1 -1 -1 -1 -1 -1\n");
    says("sh", "unshare -U true 2>/dev/null || echo no; chmod u+s main && echo set", "no\nset\n");
    says("sh",
         "for f in /usr/bin/su /usr/bin/mount /usr/bin/passwd; do $f -h >/dev/null 2>&1; done; "
         "grep NoNewPrivs /proc/self/status; grep CapEff /proc/self/status",
         "NoNewPrivs:\t1\nCapEff:\t0000000000000000\n");
}

/* Is a process running whose command line holds these words? Waits up to five seconds for the answer to be
 * `wanted`. */
static bool process_comes_to(const char *words, bool wanted)
{
    for (int round = 0; round < 50; round++) {
        bool there = false;
        glob_t g;
        assert_int_equal(glob("/proc/[0-9]*/cmdline", 0, NULL, &g), 0);
        for (size_t i = 0; i < g.gl_pathc && !there; i++) {
            char text[4096] = "";
            int fd = open(g.gl_pathv[i], O_RDONLY);
            ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
            for (ssize_t k = 0; k + 1 < n; k++)
                if (!text[k]) text[k] = ' ';
            there = strstr(text, words) != NULL;
            if (fd >= 0) close(fd);
        }
        globfree(&g);
        if (there == wanted) return true;
        usleep(100000);
    }
    return false;
}

static void nothing_is_left_running(void **state)
{
    (void)state;
    /* a daemon: forks twice, leaves its session, closes its output; the verdict does not wait for it */
    struct sandbox_result r;
    double t0 = clock_s();
    run(PY,
        "import os,time\nif os.fork()==0:\n os.setsid()\n if os.fork()==0:\n"
        "  os.closerange(0,3)\n  os.execlp('sleep','sleep','77.125')\n "
        "os._exit(0)\nos.wait()\nprint('gone')\n",
        NULL, &r);
    assert_string_equal(r.out.p, "gone\n");
    assert_int_equal(r.end, SANDBOX_EXITED);
    assert_true(clock_s() - t0 < 5);
    sandbox_result_release(&r);
    /* one that keeps the output open */
    t0 = clock_s();
    run("sh", "sleep 77.125 & echo out", NULL, &r);
    assert_string_equal(r.out.p, "out\n");
    assert_true(clock_s() - t0 < 5);
    sandbox_result_release(&r);
    assert_true(process_comes_to("sleep 77.125", false));
}

static int open_files(void)
{
    int n = 0;
    for (int fd = 0; fd < 1024; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void item(void *ctx, int i)
{
    int *right = ctx;
    struct sandbox_result r;
    char text[64], expected[64];
    snprintf(text, sizeof text, "sleep 0.0%d; echo %d", i % 10, i);
    snprintf(expected, sizeof expected, "%d\n", i);
    run("sh", text, NULL, &r);
    right[i] = strcmp(r.out.p, expected) == 0;
    sandbox_result_release(&r);
}

static void many_run_side_by_side_and_leave_nothing_open(void **state)
{
    (void)state;
    int right[48], all = 0;
    says("sh", "true", "");
    int before = open_files();
    pool_for(48, item, right);
    for (int i = 0; i < 48; i++) all += right[i];
    assert_int_equal(all, 48);
    assert_int_equal(open_files(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombies */
}

static void it_dies_with_this_program(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct sandbox_result r;
        const char *const argv[] = {"sleep", "76.625", NULL};
        struct sandbox_job job = {.argv = argv, .limits = small()};
        assert_int_equal(write(ready[1], "x", 1), 1);
        sandbox_run(&job, &r, NULL);
        _exit(0);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(process_comes_to("sleep 76.625", true));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(process_comes_to("sleep 76.625", false));
    close(ready[0]);
    close(ready[1]);
}

static void limits_alone_where_the_user_asks_for_them(void **state)
{
    (void)state;
    struct err e = {0};
    struct sandbox_result r;
    if (sandbox_check(SANDBOX_RLIMIT, &e)) fail_msg("%s", e.msg);
    const char *const argv[] = {"sh", "-c", "cat f; touch here; pwd | grep -c openr1-; while :; do :; done",
                                NULL};
    struct sandbox_file f = {"f", "hello\n", 6, false};
    struct sandbox_job job = {
        .argv = argv, .files = &f, .n_files = 1, .limits = small(), .mode = SANDBOX_RLIMIT};
    if (sandbox_run(&job, &r, &e)) fail_msg("%s", e.msg);
    assert_string_equal(r.out.p, "hello\n1\n");
    assert_int_equal(r.end, SANDBOX_TIME);
    sandbox_result_release(&r);
}

int main(int argc, char **argv)
{
    (void)argv;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_program_gets_input_files_and_a_verdict),
        cmocka_unit_test(bytes_go_through_unchanged),
        cmocka_unit_test(names_outside_of_the_folder_are_refused),
        cmocka_unit_test(time_runs_out),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(a_fork_bomb_ends_itself),
        cmocka_unit_test(output_is_cut),
        cmocka_unit_test(files_of_the_machine_are_out_of_reach),
        cmocka_unit_test(disks_fill_no_further_than_allowed),
        cmocka_unit_test(the_network_is_not_there),
        cmocka_unit_test(other_processes_are_out_of_reach),
        cmocka_unit_test(nothing_is_left_running),
        cmocka_unit_test(many_run_side_by_side_and_leave_nothing_open),
        cmocka_unit_test(it_dies_with_this_program),
        cmocka_unit_test(limits_alone_where_the_user_asks_for_them),
    };
    struct err e = {0};
    if (sandbox_check(SANDBOX_BWRAP, &e)) {
        printf("skipped: %s\n", e.msg);
        return 77;
    }
    setenv("HF_TOKEN", "secret_of_host", 1);
    pool_start(4);
    int rc = cmocka_run_group_tests_name(geteuid() ? "as a user" : "as root", tests, NULL, NULL);
    pool_stop();
    if (rc || geteuid() || argc > 1) return rc;
    char self[64]; /* by descriptor: the folder may be closed to that user */
    snprintf(self, sizeof self, "/proc/self/fd/%d", open("/proc/self/exe", O_RDONLY));
    execlp("setpriv", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", self, "again",
           (char *)NULL);
    return 1;
}
