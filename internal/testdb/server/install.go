package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// findOrInstall returns the path of a program, whose packages root has installed by apt where it is missing. The error says
// what can be done instead.
func findOrInstall(ctx context.Context, program, otherwise string, packages ...string) (string, error) {
	if path, err := find(program); err == nil {
		return path, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return "", fmt.Errorf("%s is missing, and only root on Debian has it installed from here: install it, or %s", program, otherwise)
	}
	if err := aptInstall(ctx, otherwise, packages); err != nil {
		return "", err
	}
	return find(program)
}

// find looks on PATH, and where Debian has daemons, which only root has on PATH.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + program)
}

func aptInstall(ctx context.Context, otherwise string, packages []string) error {
	for _, args := range [][]string{
		{"update", "-q"},
		append([]string{"install", "-q", "-y", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s failed, %s: %w\n%s", args[0], otherwise, err, out)
		}
	}
	return nil
}
