package match_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// inventory is what the benchmarks match: 500 packages. With the shared data they are those of Debian 12's image and the other
// binary packages of its sources, in the versions of the release, with Debian's records; else packages and records made up in the
// same proportions: one package in three has records, ten each.
func inventory(b *testing.B) (*match.Matcher, []plimsoll.Package) {
	const size = 500
	dir := filepath.Join(os.Getenv("PLIMSOLL_SHARED"), "data")
	if _, err := os.Stat(filepath.Join(dir, "osv")); err != nil {
		return madeUp(size)
	}
	m, err := sharedOnce()
	if err != nil {
		b.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "images", "debian-manifests", "bookworm", "rootfs.manifest"))
	if err != nil {
		b.Fatal(err)
	}
	sources, err := os.ReadFile(filepath.Join(dir, "images", "debian-manifests", "source-map.tsv"))
	if err != nil {
		b.Fatal(err)
	}
	of := map[string]string{}
	for l := range strings.SplitSeq(string(sources), "\n") {
		binary, source, _ := strings.Cut(l, "\t")
		of[binary] = source
	}
	var out []plimsoll.Package
	for l := range strings.SplitSeq(string(manifest), "\n") {
		if f := strings.Fields(l); len(f) > 1 {
			name, _, _ := strings.Cut(f[0], ":")
			out = append(out, plimsoll.Package{Name: name, Version: f[1], Source: of[name], Ecosystem: "Debian:12"})
		}
	}
	for i := 0; len(out) < size; i++ { // more binary packages of the same sources
		p := out[i]
		p.Name = fmt.Sprintf("%s-%d", p.Name, i)
		out = append(out, p)
	}
	return m, out
}

func madeUp(size int) (*match.Matcher, []plimsoll.Package) {
	var records []plimsoll.Advisory
	var out []plimsoll.Package
	for i := range size {
		name := fmt.Sprintf("lib%d", i)
		out = append(out, plimsoll.Package{Name: name, Version: fmt.Sprintf("2.%d-1+deb12u%d", i, i%9), Source: name, Ecosystem: "Debian:12"})
		for k := range 10 {
			if i%3 == 0 {
				r := record(fmt.Sprintf("DEBIAN-CVE-%d-%d", i, k), affected("Debian:12", name, "0", fmt.Sprintf("<2.%d-1+deb12u%d", i, k)))
				r.Upstream = []string{fmt.Sprintf("CVE-%d-%d", i, k)}
				records = append(records, r)
			}
		}
	}
	return matcher(records...), out
}

// BenchmarkInventory matches 500 packages with the index open: at most 2 ms. Warm is an image like others that were matched before,
// cold the first one of all.
func BenchmarkInventory(b *testing.B) {
	m, all := inventory(b)
	b.Run("warm", func(b *testing.B) {
		findings, start := 0, processorTime(b)
		for b.Loop() {
			findings = 0
			for _, p := range all {
				findings += len(m.Package(p).Findings)
			}
		}
		b.ReportMetric(float64(findings), "findings")
		b.ReportMetric(float64((processorTime(b)-start).Nanoseconds())/float64(b.N), "cpu-ns/op") // what a busy machine does not change
	})
	b.Run("cold", func(b *testing.B) {
		start := processorTime(b)
		for b.Loop() {
			fresh := match.New(m.Index())
			for _, p := range all {
				fresh.Package(p)
			}
		}
		b.ReportMetric(float64((processorTime(b)-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
	})
}

// processorTime is what the process has used.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
