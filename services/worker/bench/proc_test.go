package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   string
		want procStat
		fail bool
	}{
		"plain":               {"41 (worker) S 7 41 41 0 -1 4194560 900 0 3 0 150 25 40 5 20 0 9 0 100 1 2 3", procStat{7, 2200 * time.Millisecond}, false},
		"name with its signs": {"41 (a ) S 1 (b)) R 9 1 1 0 -1 0 0 0 0 0 1 0 0 0 20 0", procStat{9, 10 * time.Millisecond}, false},
		"no name":             {"41 worker S 7", procStat{}, true},
		"cut":                 {"41 (worker) S 7 41 41 0", procStat{}, true},
		"no number":           {"41 (w) S x 1 1 0 -1 0 0 0 0 0 1 0 0 0", procStat{}, true},
		"no time":             {"41 (w) S 7 1 1 0 -1 0 0 0 0 0 1 0 x 0", procStat{}, true},
		"empty":               {"", procStat{}, true},
	}
	for name, tt := range tests {
		got, err := parseStat([]byte(tt.in))
		if (err != nil) != tt.fail || err == nil && got != tt.want {
			t.Errorf("%s: parseStat = %+v, %v; want %+v, error %v", name, got, err, tt.want, tt.fail)
		}
	}
}

func TestParseMemory(t *testing.T) {
	t.Parallel()
	const status = "Name:\tworker\nVmRSS:\t   90000 kB\nRssAnon:\t   20000 kB\nRssFile:\t   60000 kB\nRssShmem:\t   10000 kB\nThreads:\t9\n"
	tests := map[string]struct {
		in   string
		want int64
		fail bool
	}{
		"both":      {status, 30_000 << 10, false},
		"ending":    {"Name:\tworker\nState:\tZ (zombie)\n", 0, false},
		"no number": {"RssAnon:\tmany kB\n", 0, true},
		"no unit":   {"RssAnon:\t12\n", 0, true},
	}
	for name, tt := range tests {
		got, err := parseMemory([]byte(tt.in))
		if (err != nil) != tt.fail || got != tt.want {
			t.Errorf("%s: parseMemory = %d, %v; want %d, error %v", name, got, err, tt.want, tt.fail)
		}
	}
}

func TestParseWritten(t *testing.T) {
	t.Parallel()
	got, err := parseWritten([]byte("rchar: 9\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n"))
	if got != 4096 || err != nil {
		t.Errorf("parseWritten = %d, %v; want 4096", got, err)
	}
	for _, bad := range []string{"", "rchar: 9\ncancelled_write_bytes: 7\n", "write_bytes: x\n"} {
		if got, err := parseWritten([]byte(bad)); err == nil {
			t.Errorf("parseWritten(%q) = %d, want an error", bad, got)
		}
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte("41 (worker) S 7 41 41 0 -1 4194560 900 0 3 0 150 25 40 5 20"))
	f.Add([]byte("RssAnon:\t   20000 kB\n"))
	f.Add([]byte("write_bytes: 4096\n"))
	f.Add([]byte("24 1 0:21 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n"))
	f.Fuzz(func(_ *testing.T, b []byte) { // that none of them panics
		_, _ = parseStat(b)
		_, _ = parseMemory(b)
		_, _ = parseWritten(b)
		_, _ = parseUsage(string(b))
		_, _, _ = findCgroup(string(b), string(b))
	})
}

func TestBelow(t *testing.T) {
	t.Parallel()
	all := map[int]procStat{1: {parent: 0}, 10: {parent: 1}, 11: {parent: 10}, 12: {parent: 11}, 20: {parent: 1}, 30: {parent: 31}, 31: {parent: 30}}
	got := map[int]bool{}
	for pid := range below(all, 10) {
		got[pid] = true
	}
	if diff := cmp.Diff(map[int]bool{10: true, 11: true, 12: true}, got); diff != "" {
		t.Errorf("below(10) (-want +got):\n%s", diff)
	}
}

// Both accounts agree on what a shell and the program that it runs take, whether that runs still or has ended.
func TestAccountsCountChildren(t *testing.T) {
	t.Parallel()
	groups, why := newAccounts()
	if why != nil {
		t.Logf("sums over /proc alone: %v", why)
	}
	for name, a := range map[string]*accounts{"cgroup": groups, "/proc": {}} {
		if name == "cgroup" && why != nil {
			continue
		}
		account, err := a.open()
		if err != nil {
			t.Fatal(err)
		}
		defer account.close()
		// The shell waits for a line, so that it is in its account before it has a child.
		cmd := exec.Command("sh", "-c", `read go; i=0; (while [ $i -lt 200000 ]; do i=$((i+1)); done); echo done; read stop`)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := account.add(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		m, err := startMeter(account, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write([]byte("go\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 5)); err != nil { // the child has ended
			t.Fatal(err)
		}
		got, err := m.finish()
		if err != nil {
			t.Fatal(err)
		}
		in.Close()
		if err := cmd.Wait(); err != nil && !strings.Contains(err.Error(), "exit status") {
			t.Fatal(err)
		}
		whole := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if got.cpu < whole/2 || got.cpu > whole+100*time.Millisecond || got.peak <= 0 || got.temp != 0 {
			t.Errorf("%s: measured %+v; the process took %v", name, got, whole)
		}
	}
}

func TestMeterSeesTemporaryFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	account := &processTree{root: os.Getpid()}
	m, err := startMeter(account, dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"a": 100, "empty": 0} {
		if err := os.WriteFile(dir+"/"+name, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := m.finish()
	if err != nil || got.temp != 101 {
		t.Errorf("temporary bytes %d, %v; want 101, the empty file counted as one", got.temp, err)
	}
}
