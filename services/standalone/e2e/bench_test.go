package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkScanOverFloor scans images of the corpus with nothing known and reports the processor time as a multiple of the
// floor's in the same run: the floor reads, hashes, inflates and walks the same layers and does nothing else. What a scan
// spends on starting engines and loading advisories is part of it; the bigger the image, the less that weighs.
//
// It needs PLIMSOLL_SHARED (bench/floor) and PLIMSOLL_CORPUS (a folder with an OCI layout "layout").
func BenchmarkScanOverFloor(b *testing.B) {
	shared, corpus := os.Getenv("PLIMSOLL_SHARED"), os.Getenv("PLIMSOLL_CORPUS")
	if shared == "" || corpus == "" {
		b.Skip("acceptance: set PLIMSOLL_SHARED and PLIMSOLL_CORPUS to measure against the floor")
	}
	floor := filepath.Join(b.TempDir(), "floor")
	build := exec.Command("go", "build", "-o", floor, "./floor")
	build.Dir = filepath.Join(shared, "bench")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build the floor: %v\n%s", err, out)
	}
	layoutDir := filepath.Join(corpus, "layout")
	for _, tag := range []string{"debian_bookworm", "runtime-java_11", "team-web_1.0", "team-edge_1.0"} {
		b.Run(tag, func(b *testing.B) {
			var ours, least time.Duration
			for b.Loop() {
				least += processor(b, floor, layoutDir, tag)
				ours += processor(b, binary, "scan", "oci:"+layoutDir+":"+tag, "--data", b.TempDir(), "--format", "json")
			}
			b.ReportMetric(float64(ours)/float64(least), "x-floor")
		})
	}
}

// processor runs a command and gives its user and system time. A scan's exit code is its verdict, not a fault.
func processor(b *testing.B, name string, args ...string) time.Duration {
	b.Helper()
	cmd := exec.Command(name, args...)
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		b.Fatalf("%s: %v", name, err)
	}
	if code := cmd.ProcessState.ExitCode(); code == exitUsage {
		b.Fatalf("%s %v: exit %d", name, args, code)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// exitUsage is the command line's code for what it could not do.
const exitUsage = 3
