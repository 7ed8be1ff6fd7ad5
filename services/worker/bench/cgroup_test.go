package main

import (
	"testing"
	"time"
)

const (
	mountsV1 = "24 1 0:21 / /proc rw - proc proc rw\n" +
		"30 1 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n" +
		"31 1 0:27 / /sys/fs/cgroup/cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpuacct\n" +
		"35 1 0:31 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	mountsV2 = "30 1 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
)

func TestFindCgroup(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ mounts, own, dir, file string }{
		"version 1 first":         {mountsV1, "2:cpuacct:/box/7\n0::/other\n", "/sys/fs/cgroup/cpuacct/box/7", "cpuacct.usage"},
		"both controllers in one": {"31 1 0:27 / /cg rw - cgroup none rw,cpu,cpuacct\n", "2:cpu,cpuacct:/\n", "/cg", "cpuacct.usage"},
		"version 2":               {mountsV2, "0::/user.slice/a\n", "/sys/fs/cgroup/user.slice/a", "cpu.stat"},
		"version 1 has no place":  {mountsV1, "0::/b\n", "/sys/fs/cgroup/unified/b", "cpu.stat"},
		"none":                    {"24 1 0:21 / /proc rw - proc proc rw\n", "0::/\n", "", ""},
		"malformed":               {"31 1\nx - cgroup\n", "cpuacct\n", "", ""},
	}
	for name, tt := range tests {
		dir, file, err := findCgroup(tt.mounts, tt.own)
		if dir != tt.dir || file != tt.file || (err != nil) != (tt.dir == "") {
			t.Errorf("%s: findCgroup = %q, %q, %v; want %q, %q", name, dir, file, err, tt.dir, tt.file)
		}
	}
}

func TestParseUsage(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   string
		want time.Duration
		fail bool
	}{
		"cpuacct.usage": {"1234567890\n", 1234567890, false},
		"cpu.stat":      {"usage_usec 2500\nuser_usec 2000\nsystem_usec 500\n", 2500 * time.Microsecond, false},
		"neither":       {"user_usec 2000\n", 0, true},
		"empty":         {"", 0, true},
	}
	for name, tt := range tests {
		got, err := parseUsage(tt.in)
		if got != tt.want || (err != nil) != tt.fail {
			t.Errorf("%s: parseUsage = %v, %v; want %v, error %v", name, got, err, tt.want, tt.fail)
		}
	}
}
