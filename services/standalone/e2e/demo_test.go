package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// TestDemo: the demo judges its samples, and an image that nobody prepared takes the same way.
func TestDemo(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	listen, registry := freeAddress(t), freeAddress(t)
	s := &server{t: t, url: "http://" + listen, log: &buffer{}, ended: make(chan error, 1)}
	s.cmd = exec.Command(binary, "demo", "--data", t.TempDir(), "--listen", listen, "--registry-listen", registry)
	s.cmd.Stderr = s.log
	s.ready(t)
	for name, verdict := range map[string]plimsoll.VerdictState{
		"base/alpine:3.20": plimsoll.VerdictFail, "base/alpine:3.20-rebuilt": plimsoll.VerdictWarn, "shop/web:1.0": plimsoll.VerdictFail,
		"base/debian:12": plimsoll.VerdictFail, "team/leaky:1.0": plimsoll.VerdictFail, "tools/plimsoll:latest": plimsoll.VerdictWarn,
	} {
		if got := s.image(ctx, "demo", name, isComplete); got.Verdict != verdict {
			t.Errorf("%s: %s, want %s", name, got.Verdict, verdict)
		}
	}
	chart := s.image(ctx, "demo", "charts/shop:0.1.0", func(scanned) error { return nil })
	for analyzer, c := range chart.Read {
		if c.State != plimsoll.ReadNotApplicable {
			t.Errorf("the chart's %q is %s, want not applicable", analyzer, c.State)
		}
	}
	if err := imagetest.Push(ctx, registry, "mine/own", "7", app(t, "amd64", "minimist", "1.2.0")); err != nil {
		t.Fatal(err)
	}
	if got := s.image(ctx, "demo", "mine/own:7", isComplete); !got.has("CVE-2021-44906") {
		t.Errorf("mine/own:7 has minimist 1.2.0 and %d findings, none of them CVE-2021-44906", len(got.Findings))
	}
}

// TestStartFaults: what keeps `up` from starting is one clear line that says what, where and what to do.
func TestStartFaults(t *testing.T) {
	t.Parallel()
	running := up(t, setup{data: t.TempDir()})
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "version"), []byte(`{"format":99}`), 0o600); err != nil {
		t.Fatal(err)
	}
	badConfig := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(badConfig, []byte("listne: 127.0.0.1:0\nregistries:\n  - id: A\n    url: ftp://x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"port in use", []string{"--listen", strings.TrimPrefix(running.url, "http://"), "--data", t.TempDir()}, []string{"in use", "--listen"}},
		{"data in use", []string{"--listen", "127.0.0.1:0", "--data", running.data}, []string{running.data, "in use"}},
		{"data of another version", []string{"--listen", "127.0.0.1:0", "--data", other}, []string{other, "format"}},
		{"beyond loopback without tokens", []string{"--listen", "0.0.0.0:0", "--data", t.TempDir()}, []string{"token"}},
		{"no such advisories", []string{"--listen", "127.0.0.1:0", "--data", t.TempDir(), "--advisories", "/nonexistent/osv"}, []string{"/nonexistent/osv"}},
		{"registry is no URL", []string{"--registry", "ftp://x"}, []string{"ftp://x", "https://"}},
		{"all faults of a configuration at once", []string{"--config", badConfig}, []string{"listne", "ftp://x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, errOut, code := plimsollCommand(testContext(t), t, append([]string{"up"}, c.args...)...)
			if code != 3 {
				t.Errorf("exit %d, want 3", code)
			}
			for _, want := range c.want {
				if !strings.Contains(errOut, want) {
					t.Errorf("the error does not say %q:\n%s", want, errOut)
				}
			}
		})
	}
}

// TestBrokenAdvisories: a broken feed is told and the others go on; what depends on none is unknown, never a pass.
func TestBrokenAdvisories(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	advisories := sampleAdvisories(t)
	if err := os.WriteFile(filepath.Join(advisories, "Alpine", "all.zip"), []byte("no zip"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDistribution(t, "")
	d.push("shop/web", "1.0", app(t, "amd64", "lodash", "4.17.23"))
	s := up(t, setup{registries: []plimsoll.Registry{d.configured()}, advisories: advisories})
	s.sweep(ctx, "corp")
	got := s.image(ctx, "corp", "shop/web:1.0", func(im scanned) error {
		if err := isComplete(im); err != nil {
			return err
		}
		if im.Known["npm"].State != plimsoll.KnownCurrent {
			return fmt.Errorf("npm: %v", im.Known["npm"])
		}
		return nil
	})
	if got.Known["Alpine:v3.20"].State != plimsoll.KnownNone || got.Verdict != plimsoll.VerdictUnknown {
		t.Errorf("without Alpine's feed: known %v, verdict %s; want none and unknown", got.Known, got.Verdict)
	}
}

// TestReport: the report of a week that has ended is made once, by Temporal's word or a person's, and stays the same.
func TestReport(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	d := newDistribution(t, "")
	d.push("shop/web", "1.0", app(t, "amd64", "lodash", "4.17.11"))
	s := up(t, setup{registries: []plimsoll.Registry{d.configured()}, advisories: sampleAdvisories(t)})
	s.sweep(ctx, "corp")
	token := filepath.Join(s.data, "admin.token")
	year, week := time.Now().UTC().AddDate(0, 0, -7).ISOWeek()
	period := fmt.Sprintf("%d-W%02d", year, week)
	read := func() string {
		dir := t.TempDir()
		out, errOut, code := plimsollCommand(ctx, t, "report", "--period", period, "--output", dir, "--server", s.url, "--token-file", token)
		if code != 0 {
			t.Fatalf("report: exit %d\n%s%s", code, out, errOut)
		}
		raw, err := os.ReadFile(filepath.Join(dir, period, "manifest.json"))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if first, second := read(), read(); first != second {
		t.Errorf("the report was made twice:\n%s\n%s", first, second)
	}
}
