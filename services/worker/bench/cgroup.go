package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// account keeps the processor time of a process and of all that descend from it, ended ones included.
type account interface {
	// add takes a process in, before it has children.
	add(pid int) error
	// usage is the time since the account was opened. Only differences mean something.
	usage() (time.Duration, error)
	// pids are the processes of the account that live now.
	pids() ([]int, error)
	// close gives the account back, after its processes have ended.
	close()
}

// accounts opens accounts: cgroups where they can be made, else sums over /proc.
type accounts struct {
	dir  string // the cgroup that ours are made in; empty: sums over /proc
	file string // of the usage: cpuacct.usage or cpu.stat
	made int
}

// newAccounts finds out which of the two works here; why says why cgroups do not.
func newAccounts() (a *accounts, why error) {
	dir, file, err := cgroupHere()
	if err != nil {
		return &accounts{}, err
	}
	a = &accounts{dir: dir, file: file}
	probe, err := a.open()
	if err != nil {
		return &accounts{}, err
	}
	defer probe.close()
	if _, err := probe.usage(); err != nil {
		return &accounts{}, err
	}
	return a, nil
}

func (a *accounts) name() string {
	if a.dir == "" {
		return "sums over /proc (10 ms steps)"
	}
	return "cgroup (" + a.file + ")"
}

func (a *accounts) open() (account, error) {
	if a.dir == "" {
		return &processTree{}, nil
	}
	a.made++
	dir := filepath.Join(a.dir, fmt.Sprintf("plimsoll-bench-%d-%d", os.Getpid(), a.made))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a cgroup: %w", err)
	}
	return &cgroup{dir: dir, file: a.file}, nil
}

// cgroupHere is the cgroup of this process that counts processor time: version 1's cpuacct, else version 2's.
func cgroupHere() (dir, file string, err error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", "", err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", "", err
	}
	return findCgroup(string(mounts), string(own))
}

// findCgroup reads /proc/self/mountinfo (proc_pid_mountinfo(5)) and /proc/self/cgroup (cgroups(7)).
func findCgroup(mounts, own string) (dir, file string, err error) {
	for _, version := range []struct{ kind, controller, file string }{{"cgroup", "cpuacct", "cpuacct.usage"}, {"cgroup2", "", "cpu.stat"}} {
		at, ok := cgroupMount(mounts, version.kind, version.controller)
		if !ok {
			continue
		}
		path, ok := cgroupPath(own, version.controller)
		if !ok {
			continue
		}
		return filepath.Join(at, path), version.file, nil
	}
	return "", "", errors.New("no cgroup that counts processor time is mounted")
}

// cgroupMount finds where a hierarchy is mounted. Of mountinfo's fields the fifth is the place; after the field "-" stand
// the type, the source and the options, a version 1 hierarchy's controllers among them.
func cgroupMount(mounts, kind, controller string) (string, bool) {
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		place, system := strings.Fields(before), strings.Fields(after)
		if !ok || len(place) < 5 || len(system) < 3 || system[0] != kind {
			continue
		}
		if controller == "" || slices.Contains(strings.Split(system[2], ","), controller) {
			return place[4], true
		}
	}
	return "", false
}

// cgroupPath finds a process's place in a hierarchy: lines are "number:controllers:path", version 2's "0::path".
func cgroupPath(own, controller string) (string, bool) {
	for line := range strings.Lines(own) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) == 3 && slices.Contains(strings.Split(parts[1], ","), controller) {
			return parts[2], true
		}
	}
	return "", false
}

// cgroup counts by the kernel's own account.
type cgroup struct{ dir, file string }

func (c *cgroup) add(pid int) error {
	err := os.WriteFile(filepath.Join(c.dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
	if err != nil {
		return fmt.Errorf("move process %d into its cgroup: %w", pid, err)
	}
	return nil
}

func (c *cgroup) usage() (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join(c.dir, c.file))
	if err != nil {
		return 0, fmt.Errorf("read the cgroup's usage: %w", err)
	}
	return parseUsage(string(b))
}

// parseUsage reads version 1's cpuacct.usage, nanoseconds, or version 2's cpu.stat, whose usage_usec is microseconds.
func parseUsage(s string) (time.Duration, error) {
	unit, value := time.Nanosecond, strings.TrimSpace(s)
	for line := range strings.Lines(s) {
		if v, ok := strings.CutPrefix(line, "usage_usec "); ok {
			unit, value = time.Microsecond, strings.TrimSpace(v)
		}
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("usage %.60q: neither nanoseconds nor usage_usec", s)
	}
	return time.Duration(n) * unit, nil
}

func (c *cgroup) pids() ([]int, error) {
	b, err := os.ReadFile(filepath.Join(c.dir, "cgroup.procs"))
	if err != nil {
		return nil, fmt.Errorf("read the cgroup's processes: %w", err)
	}
	var all []int
	for line := range strings.Lines(string(b)) {
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("cgroup.procs: %w", err)
		}
		all = append(all, pid)
	}
	return all, nil
}

// close removes the cgroup. One that still holds a process stays, empty later; the kernel has room for it.
func (c *cgroup) close() { _ = os.Remove(c.dir) }

// processTree counts by /proc: the times of every living process of the tree, which hold those of children waited for.
type processTree struct{ root int }

func (t *processTree) add(pid int) error {
	t.root = pid
	return nil
}

func (t *processTree) usage() (sum time.Duration, err error) {
	tree, err := descendants(t.root)
	for _, s := range tree {
		sum += s.cpu
	}
	return sum, err
}

func (t *processTree) pids() ([]int, error) {
	tree, err := descendants(t.root)
	var all []int
	for pid := range tree {
		all = append(all, pid)
	}
	return all, err
}

func (t *processTree) close() {}
