/* sandbox_command.c: the command line that builds the box and starts the program in it.
 *
 *   setpriv (as root: become nobody)  bwrap (namespaces, mounts, filter)  sh (limits)  program
 *
 * The shell is process 1 of the pid namespace: when it ends, the kernel kills what is left. It sets the
 * limits inside, because the limit on processes is counted for each user namespace, and the kernel does not
 * count root's processes at all, hence nobody. Over descriptor 3 it says that all is ready and waits for our
 * word: so a box which could not be built is told from a program that failed, and a box whose builder was
 * killed before it could be tied to its life runs nothing.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "verify/sandbox_int.h"

#define BOX "/box"

/* The same hash order and time zone everywhere: what a program prints should not depend on the machine. */
char *const sandbox_environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                     "HOME=/tmp",
                                     "TMPDIR=/tmp",
                                     "LANG=C.UTF-8",
                                     "TZ=UTC",
                                     "PYTHONHASHSEED=0",
                                     "PYTHONDONTWRITEBYTECODE=1",
                                     "PYTHONIOENCODING=utf-8",
                                     "OMP_NUM_THREADS=1",
                                     "OPENBLAS_NUM_THREADS=1",
                                     "MALLOC_ARENA_MAX=2",
                                     NULL};

static void add(struct sandbox_command *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct sandbox_command *c, const char *fmt, ...)
{
    struct str s;
    va_list ap;
    CHECK(c->n < SANDBOX_ARGS_MAX, "more than %d arguments", SANDBOX_ARGS_MAX);
    str_init(&s, 0);
    va_start(ap, fmt);
    str_vaddf(&s, fmt, ap);
    va_end(ap);
    c->argv[c->n++] = str_take(&s);
}

static void add_words(struct sandbox_command *c, const char *const *words)
{
    for (; *words; words++) add(c, "%s", *words);
}

/* A folder or file of the machine, read-only, if it is there; a link stays a link. */
static void add_readable(struct sandbox_command *c, const char *path)
{
    struct stat s;
    char target[256];
    if (lstat(path, &s)) return;
    if (!S_ISLNK(s.st_mode)) {
        add_words(c, (const char *const[]){"--ro-bind", path, path, NULL});
        return;
    }
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n <= 0) return;
    target[n] = 0;
    add_words(c, (const char *const[]){"--symlink", target, path, NULL});
}

/* /etc/java-17-openjdk and its like: a Java that does not find its settings does not start. */
static void add_java_settings(struct sandbox_command *c)
{
    DIR *d = opendir("/etc");
    struct dirent *entry;
    int left = 8;
    while (d && left && (entry = readdir(d))) {
        char path[300];
        if (!str_starts(entry->d_name, "java-")) continue;
        snprintf(path, sizeof path, "/etc/%s", entry->d_name);
        add_readable(c, path);
        left--;
    }
    if (d) closedir(d);
}

/* A folder in memory, to write in. */
static void add_folder(struct sandbox_command *c, const struct sandbox_job *job, const char *path)
{
    add_words(c, (const char *const[]){"--size", NULL});
    add(c, "%zu", job->limits.disk);
    add_words(c, (const char *const[]){"--tmpfs", path, NULL});
}

static void add_box(struct sandbox_command *c, const struct sandbox_job *job)
{
    static const char *const readable[] = {"/usr",
                                           "/bin",
                                           "/sbin",
                                           "/lib",
                                           "/lib32",
                                           "/lib64",
                                           "/etc/ld.so.cache",
                                           "/etc/alternatives",
                                           "/etc/R",
                                           "/etc/mime.types"};
    static const char *const namespaces[] = {
        "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1", "--uid", "1000",
        "--gid", "1000",          "--hostname",        "sandbox",       NULL};
    add_words(c, namespaces);
    add_words(c, (const char *const[]){"--cap-drop", "ALL", "--seccomp", NULL});
    add(c, "%d", SANDBOX_FD_FILTER);
    for (size_t i = 0; i < sizeof readable / sizeof *readable; i++) add_readable(c, readable[i]);
    add_java_settings(c);
    static const char *const devices[] = {"--proc", "/proc", "--dev", "/dev", NULL};
    static const char *const null[] = {"--tmpfs", "/dev", "--dev-bind", "/dev/null", "/dev/null", NULL};
    add_words(c, job->bare ? null : devices);
    add_folder(c, job, BOX);
    add_words(c, (const char *const[]){"--perms", "1777", "--dir", (BOX "/.tmp"), "--symlink", "box/.tmp",
                                       "/tmp", NULL});
    if (!job->bare) add_folder(c, job, "/dev/shm");
    for (int i = 0; i < job->n_files; i++) {
        add_words(
            c, (const char *const[]){"--perms", job->files[i].executable ? "0755" : "0644", "--file", NULL});
        add(c, "%d", SANDBOX_FD_FILES + i);
        add(c, BOX "/%s", job->files[i].name);
    }
    /* bwrap's own file systems for / and /dev have no limit on their size: nothing may be written there. */
    add_words(c,
              (const char *const[]){"--remount-ro", "/dev", "--remount-ro", "/", "--chdir", BOX, "--", NULL});
}

/* The limits in the words of the shell, the byte that says "started", the program. bash counts processes with
 * -u, dash with -p; blocks of -f are 512 bytes in both. Where the limits cannot be set nothing is started. */
static void add_shell(struct sandbox_command *c, const struct sandbox_job *job)
{
    const struct sandbox_limits *l = &job->limits;
    struct str s;
    long cpu = (long)l->cpu_s + 2;
    size_t file = l->disk > l->output ? l->disk : l->output;
    bool counts = job->mode == SANDBOX_BWRAP || geteuid() == 0;
    str_init(&s, 0);
    str_addf(&s, "ulimit -c 0; ulimit -t %ld && ulimit -f %zu && ulimit -n 256 || exit 125; ", cpu,
             file / 512);
    /* One for this shell. Without a namespace a user's own processes would count: then it is left out. */
    if (counts)
        str_addf(&s, "ulimit -u %d 2>/dev/null || ulimit -p %d || exit 125; ", l->processes + 1,
                 l->processes + 1);
    if (l->address_space) str_addf(&s, "ulimit -v %zu || exit 125; ", l->address_space / 1024);
    if (l->stack) str_addf(&s, "ulimit -s %zu 2>/dev/null; ", l->stack / 1024);
    str_addf(&s, "echo >&%d; read go <&%d || exit 125; exec %d>&-; ", SANDBOX_FD_READY, SANDBOX_FD_READY,
             SANDBOX_FD_READY);
    for (int i = 0; !job->links && i < SANDBOX_LINKS; i++) str_addf(&s, "exec %d>&-; ", SANDBOX_FD_LINK + i);
    str_puts(&s, "\"$@\"; exit $?");
    add_words(c, (const char *const[]){"/bin/sh", "-c", s.p, "sh", NULL});
    str_release(&s);
    add_words(c, job->argv);
}

/* A name that stays in the work folder. */
static bool name_stays(const char *name)
{
    if (!name || !*name || *name == '/' || strlen(name) > 200) return false;
    for (const char *p = name; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.')) return false;
        p += n;
        if (*p && !*++p) return false;
    }
    return true;
}

int sandbox_command_init(struct sandbox_command *c, const struct sandbox_job *job, const char *folder,
                         struct err *e)
{
    *c = (struct sandbox_command){0};
    if (job->n_files > SANDBOX_FILES_MAX)
        return err_set(e, "sandbox: %d files, at most %d are possible", job->n_files, SANDBOX_FILES_MAX);
    for (int i = 0; i < job->n_files; i++)
        if (!name_stays(job->files[i].name))
            return err_set(e, "sandbox: \"%.100s\" is no name of a file inside the work folder",
                           job->files[i].name ? job->files[i].name : "");
    bool root = geteuid() == 0;
    if (root || folder) {
        add_words(c, (const char *const[]){"setpriv", "--no-new-privs", NULL});
        if (folder) add_words(c, (const char *const[]){"--pdeathsig", "KILL", NULL});
    }
    if (root) {
        add(c, "--reuid=%d", SANDBOX_NOBODY);
        add(c, "--regid=%d", SANDBOX_NOBODY);
        add_words(c, (const char *const[]){"--clear-groups", "--inh-caps=-all", "--bounding-set=-all", NULL});
    }
    if (!folder) add_box(c, job);
    add_shell(c, job);
    return 0;
}

void sandbox_command_release(struct sandbox_command *c)
{
    for (int i = 0; i < c->n; i++) free(c->argv[i]);
    *c = (struct sandbox_command){0};
}
