package main

import (
	"os"
	"syscall"
)

// dieWithParent has the kernel send sig to the process when this one ends, be it by SIGKILL.
func dieWithParent(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }

// endWithParent has the kernel send this process SIGTERM when its parent ends: a shell between make and us dies of a
// signal without passing it on.
func endWithParent() {
	parent := os.Getppid()
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0) // Or as elsewhere.
	if os.Getppid() != parent {
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM) // It ended before we asked.
	}
}
