/* sandbox_filter.c: system calls that no program of a stranger needs, refused by seccomp.
 *
 * The namespaces already hide the machine; the filter takes away what reaches the kernel's rarely used parts
 * (where its bugs are), what builds further namespaces, and memory that no limit on processes counts (System
 * V segments, memfd). A refused call returns an error, as on a kernel without it, so that interpreters go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "verify/sandbox_int.h"

/* Not in every kernel's headers or library; a name that libseccomp does not know is left out. */
static const char *const refused[] = {
    /* other processes */
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    "pidfd_getfd",
    /* mounts and namespaces */
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "open_tree_attr",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "unshare",
    "setns",
    "name_to_handle_at",
    "open_by_handle_at",
    "quotactl",
    "quotactl_fd",
    "fanotify_init",
    "fanotify_mark",
    /* the kernel itself */
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "keyctl",
    "add_key",
    "request_key",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "create_module",
    "query_module",
    "get_kernel_syms",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "syslog",
    "settimeofday",
    "clock_settime",
    "clock_settime64",
    "clock_adjtime",
    "clock_adjtime64",
    "adjtimex",
    "stime",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "modify_ldt",
    "vm86",
    "vm86old",
    "personality",
    "lookup_dcookie",
    "nfsservctl",
    "vhangup",
    "uselib",
    "sysfs",
    "_sysctl",
    "ustat",
    "vmsplice",
    "mbind",
    "set_mempolicy",
    "migrate_pages",
    "move_pages",
    "landlock_create_ruleset",
    /* memory outside of every process */
    "shmget",
    "shmat",
    "shmctl",
    "msgget",
    "msgsnd",
    "semget",
    "semop",
    "semtimedop",
    "mq_open",
    "memfd_create",
    "memfd_secret",
};

static const int families[] = {AF_UNIX, AF_INET, AF_INET6}; /* the only ones that sockets may have */

static int add_rules(scmp_filter_ctx f)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        int number = seccomp_syscall_resolve_name(refused[i]);
        if (number != __NR_SCMP_ERROR && number >= 0)
            rc |= seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), number, 0);
    }
    /* New namespaces by clone; clone3 hides its flags in memory: libraries fall back to clone. */
    static const unsigned namespaces[] = {CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,   CLONE_NEWNS,
                                          CLONE_NEWUTS,  CLONE_NEWIPC, CLONE_NEWCGROUP};
    for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++)
        rc |= seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
    rc |= seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    /* Sockets of unusual families: vsock reaches out of a virtual machine, netlink and packet the kernel. */
    int highest = families[0];
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (families[i] > highest) highest = families[i];
    for (int family = 0; family <= highest; family++) {
        bool allowed = false;
        for (size_t i = 0; i < sizeof families / sizeof *families; i++)
            if (families[i] == family) allowed = true;
        if (!allowed)
            rc |= seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                   SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family, 0));
    }
    rc |= seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                           SCMP_A0(SCMP_CMP_GT, (scmp_datum_t)highest, 0));
    /* Typing into the terminal of whoever started us. */
    rc |= seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                           SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI));
    rc |= seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                           SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCLINUX));
    return rc;
}

/* The filter as a program for the kernel, in a file in memory; made once. Other architectures' calls (32-bit
 * ones on a 64-bit machine) end the process: libseccomp's default. */
static int filter_file = -1;

static void filter_make(void)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    if (!f) return;
    int fd = memfd_create("seccomp", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && add_rules(f) == 0 && seccomp_export_bpf(f, fd) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
        filter_file = fd;
    else if (fd >= 0)
        close(fd);
    seccomp_release(f);
}

int sandbox_filter_fd(struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char path[64];
    pthread_once(&once, filter_make);
    if (filter_file < 0) return err_set(e, "sandbox: libseccomp could not make the filter of system calls");
    snprintf(path, sizeof path, "/proc/self/fd/%d", filter_file);
    int fd = open(path, O_RDONLY | O_CLOEXEC); /* an offset of its own */
    return fd < 0 ? err_errno(e, "sandbox: %s", path) : fd;
}
