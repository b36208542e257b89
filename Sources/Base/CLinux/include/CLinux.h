// What Swift cannot import: macros, varargs and prototypes hidden behind _GNU_SOURCE. No logic.
// _GNU_SOURCE itself stays undefined: it renames members of fd_set, and debug builds then fail
// against the Glibc module. GNU-only functions are declared here under a name of ours instead.
// Each entry says why it is here: macro, varargs, hidden or header (not in Swift's module map).
#pragma once
#include <errno.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// macro: errno, and the wait status of a child
static inline int pm_errno(void) { return errno; }
static inline int pm_did_exit(int status) { return WIFEXITED(status); }
static inline int pm_exit_code(int status) { return WEXITSTATUS(status); }
static inline int pm_signal_number(int status) { return WTERMSIG(status); }

// macro: control messages
static inline struct cmsghdr *pm_cmsg_first(struct msghdr *m) { return CMSG_FIRSTHDR(m); }
static inline struct cmsghdr *pm_cmsg_next(struct msghdr *m, struct cmsghdr *c) { return CMSG_NXTHDR(m, c); }
static inline unsigned char *pm_cmsg_data(struct cmsghdr *c) { return CMSG_DATA(c); }
static inline size_t pm_cmsg_len(size_t n) { return CMSG_LEN(n); }
static inline size_t pm_cmsg_space(size_t n) { return CMSG_SPACE(n); }

// hidden: struct ucred
struct pm_ucred { int pid; unsigned int uid; unsigned int gid; };
_Static_assert(sizeof(struct pm_ucred) == 12, "size of struct ucred");
static const int pm_SCM_CREDENTIALS = 0x02;

// macro: the pid in what waitid tells; hidden: two constants
static inline int pm_siginfo_pid(siginfo_t news) { return news.si_pid; }
static const int pm_SCM_RIGHTS = 0x01;
static const int pm_POSIX_SPAWN_SETSID = 0x80;

// hidden
extern int pm_accept4(int, struct sockaddr *, socklen_t *, int) __asm__("accept4");
extern int pm_pipe2(int[2], int) __asm__("pipe2");
extern int pm_dup3(int, int, int) __asm__("dup3");
extern int pm_setresuid(unsigned, unsigned, unsigned) __asm__("setresuid");
extern int pm_setresgid(unsigned, unsigned, unsigned) __asm__("setresgid");
extern int pm_memfd_create(const char *, unsigned) __asm__("memfd_create");
extern int pm_close_range(unsigned, unsigned, int) __asm__("close_range");
extern int pm_unshare(int) __asm__("unshare");

// varargs
static inline int pm_prctl(int op, unsigned long a, unsigned long b) { return prctl(op, a, b, 0, 0); }
static inline int pm_ioctl(int fd, unsigned long request, void *argument) { return ioctl(fd, request, argument); }
static inline int pm_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
static inline int pm_pidfd_send_signal(int fd, int number) { return (int)syscall(SYS_pidfd_send_signal, fd, number, 0, 0); }
static inline int pm_capset(void *header, void *data) { return (int)syscall(SYS_capset, header, data); }
static inline int pm_execveat(int fd, char *const argv[], char *const envp[]) {
  return (int)syscall(SYS_execveat, fd, "", argv, envp, 0x1000 /* AT_EMPTY_PATH */);
}
