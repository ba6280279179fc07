//go:build !linux

package main

import "syscall"

// dieWithParent does nothing where the kernel has no such thing: there, only a SIGKILL of this process leaves servers.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// endWithParent does nothing either.
func endWithParent() {}
