package child

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fence is what holds a child from outside: namespaces of its own. It begins with all, and drops them where the kernel says no
// (a container without the right, a sysctl).
type fence struct {
	namespaces uintptr
	dropped    []string
}

// namespaceSteps are tried in turn. A user namespace takes every right over the system; it is also what an ordinary user needs
// to make the others.
var namespaceSteps = []struct {
	flags uintptr
	lost  string
}{
	{unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS, ""},
	{unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS, "user namespace"},
	{0, "network namespace"},
}

func strongest() fence { return fence{namespaces: namespaceSteps[0].flags} }

// weaken goes one step down, and tells whether there was one.
func (f *fence) weaken() bool {
	i := slices.IndexFunc(namespaceSteps, func(s struct {
		flags uintptr
		lost  string
	}) bool {
		return s.flags == f.namespaces
	})
	if i+1 >= len(namespaceSteps) {
		return false
	}
	f.namespaces = namespaceSteps[i+1].flags
	f.dropped = append(f.dropped, namespaceSteps[i+1].lost)
	return true
}

func (f *fence) missing() []string { return slices.Clone(f.dropped) }

func (f *fence) attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: f.namespaces, Setpgid: true}
}

// Bounds that the child gives itself before it reads a byte. The worker watches memory and time besides (watch.go): these are
// for what happens between two looks.
const (
	maxWritable = 2 << 30 // bytes mapped writable (RLIMIT_DATA)
	maxOpen     = 16      // descriptors
)

// confine holds the child from inside, and tells what the kernel did not allow.
func confine() (missing []string) {
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(memoryTarget)
	for _, l := range []struct {
		resource int
		max      uint64
		name     string
	}{
		{unix.RLIMIT_FSIZE, 0, "file size"}, {unix.RLIMIT_CORE, 0, "core file"}, {unix.RLIMIT_NOFILE, maxOpen, "open files"},
		{unix.RLIMIT_DATA, maxWritable, "memory"},
	} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.max, Max: l.max}); err != nil {
			missing = append(missing, "limit of "+l.name)
		}
	}
	if err := filter(); err != nil {
		missing = append(missing, fmt.Sprintf("system call filter (%v)", err))
	}
	return missing
}

// allowed are the system calls that Go's run-time and reading and writing open descriptors need. Opening files, sockets,
// starting programs and all else is refused.
var allowed = append([]uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_WRITEV, unix.SYS_CLOSE, unix.SYS_FCNTL, unix.SYS_FSTAT, unix.SYS_LSEEK,
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MREMAP, unix.SYS_MINCORE, unix.SYS_BRK,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_TGKILL,
	unix.SYS_FUTEX, unix.SYS_CLONE, unix.SYS_CLONE3, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_GETTID, unix.SYS_GETPID,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME,
	unix.SYS_GETRANDOM, unix.SYS_RESTART_SYSCALL, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_SETITIMER,
	unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_GETRUSAGE,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
}, allowedHere...)

// filter installs a filter of system calls over all threads (seccomp(2)); a refused call fails with EPERM.
func filter() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := filterProgram()
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	return nil
}

// filterProgram is classic BPF over struct seccomp_data: the call's number at 0, the architecture at 4.
func filterProgram() []unix.SockFilter {
	const load, equal, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	deny := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	program := []unix.SockFilter{
		{Code: load, K: 4},
		{Code: equal, K: auditArch, Jt: 1},
		deny,
		{Code: load, K: 0},
	}
	for i, number := range allowed {
		program = append(program, unix.SockFilter{Code: equal, K: number, Jt: uint8(len(allowed) - i)})
	}
	return append(program, deny, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW})
}
