package main

import "syscall"

// dieWithParent has the kernel send sig to the process when this one ends, be it by SIGKILL.
func dieWithParent(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
