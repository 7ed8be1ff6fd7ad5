package advisory

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// sharedFeeds is a folder with feeds of 75,000 real records, which PLIMSOLL_SHARED names.
func sharedFeeds(tb testing.TB) Source {
	tb.Helper()
	dir := os.Getenv("PLIMSOLL_SHARED")
	if dir == "" {
		tb.Skip("PLIMSOLL_SHARED is not set: the folder with data/osv")
	}
	source, err := Open(filepath.Join(dir, "data", "osv"), WebOptions{})
	if err != nil {
		tb.Skip(err)
	}
	return source
}

// BenchmarkCompile is a first start: every feed read from its zip, checked record by record, packed, written into the bucket,
// compiled, and kept. peak-MB is the most memory that the process held meanwhile, the embedded bucket's part with it.
// Target: 10 s, 512 MB.
func BenchmarkCompile(b *testing.B) {
	source := sharedFeeds(b)
	for b.Loop() {
		s, cache := newStore(b), Cache(b.TempDir())
		debug.FreeOSMemory()
		resetPeak()
		began, used := time.Now(), processor()
		x, _, err := NewUpdater(s, source, Options{Cache: cache}).Update(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "compile-s")
		b.ReportMetric(processor()-used, "compile-cpu-s")
		b.ReportMetric(peakMB(), "peak-MB")
		b.ReportMetric(float64(x.Len()), "records")
		if info, err := os.Stat(cache.list()[0]); err == nil {
			b.ReportMetric(float64(info.Size())/1e6, "file-MB")
		}
	}
}

// BenchmarkOpen is every later start: the file that stands in the cache is read, its sums are checked, and it answers.
// Target: 50 ms.
func BenchmarkOpen(b *testing.B) {
	x, cache := sharedIndex(b)
	used := processor()
	for b.Loop() {
		y, err := cache.open(x.Generation())
		if err != nil {
			b.Fatal(err)
		}
		if len(y.Entries("Debian:12", "openssl")) == 0 {
			b.Fatal("it does not answer")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "open-ms")
	b.ReportMetric((processor()-used)*1000/float64(b.N), "open-cpu-ms")
}

func sharedIndex(b *testing.B) (*Index, Cache) {
	b.Helper()
	source := sharedFeeds(b)
	x, err := Read(b.Context(), source, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	cache := Cache(b.TempDir())
	if err := cache.keep(x); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	return x, cache
}

// processor is the processor time of this process so far, in seconds, on all cores: what counts where the machine has other
// work.
func processor() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// resetPeak and peakMB measure the peak of the process's resident memory, where Linux tells (proc(5): clear_refs, VmHWM).
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200) }

func peakMB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, err := strconv.ParseFloat(string(fields[0]), 64)
	if err != nil {
		return 0
	}
	return kb / 1024
}
