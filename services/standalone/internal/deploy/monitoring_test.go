package deploy

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const root = "../../../.."

// metricName finds our metrics' names in expressions; a histogram's have endings of their own.
var metricName = regexp.MustCompile(`plimsoll_[a-z_]+`)

// exported are the names of the metrics that the services' sources register.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?:Name: +|NewDesc\()"(plimsoll_[a-z_]+)"`)
	names := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(root, "services"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(b, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil || len(names) < 20 {
		t.Fatalf("%d metrics found (%v)", len(names), err)
	}
	return names
}

func checkNames(t *testing.T, where, expr string, names map[string]bool) {
	t.Helper()
	found := metricName.FindAllString(expr, -1)
	if len(found) == 0 {
		t.Errorf("%s: %q asks for none of our metrics", where, expr)
	}
	for _, name := range found {
		if !names[name] && !names[strings.TrimSuffix(name, "_bucket")] {
			t.Errorf("%s asks for %s, which nothing exports", where, name)
		}
	}
}

// TestAlerts: each alert asks for metrics that exist and has a severity, a summary and a runbook with its four sections and its own
// expression; only four may wake somebody, and no runbook is without an alert.
func TestAlerts(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join(root, "deploy/monitoring/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	names := exported(t)
	var pages, runbooks []string
	for _, r := range file.Groups[0].Rules {
		name, ours := strings.CutPrefix(r.Alert, "Plimsoll")
		if !ours || r.For == "" || r.Annotations["summary"] == "" {
			t.Errorf("alert %s: its name does not begin with Plimsoll, or it has no for or summary", r.Alert)
		}
		checkNames(t, r.Alert, r.Expr, names)
		switch r.Labels["severity"] {
		case "page":
			pages = append(pages, name)
		case "ticket":
		default:
			t.Errorf("%s: severity %q, want page or ticket", r.Alert, r.Labels["severity"])
		}
		runbook := "docs/runbooks/" + name + ".md"
		if r.Annotations["runbook"] != runbook {
			t.Errorf("%s: runbook %q, want %s", r.Alert, r.Annotations["runbook"], runbook)
		}
		runbooks = append(runbooks, name+".md")
		text, err := os.ReadFile(filepath.Join(root, runbook))
		if err != nil {
			t.Errorf("%s: %v", r.Alert, err)
			continue
		}
		for _, part := range []string{"# " + name + "\n", "Severity: " + r.Labels["severity"], r.Expr, "## What it means", "## How to see", "## How to fix", "## When to wait"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s lacks %q", runbook, part)
			}
		}
	}
	if want := []string{"SweepRedTwice", "FeedsDead", "GateFailsClosed", "StoreUnwritable"}; !slices.Equal(pages, want) {
		t.Errorf("pages wake somebody for %v, want %v alone", pages, want)
	}
	entries, err := os.ReadDir(filepath.Join(root, "docs/runbooks"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(runbooks, e.Name()) {
			t.Errorf("runbook %s belongs to no alert", e.Name())
		}
	}
}

// TestDashboard: every panel of the Grafana dashboard asks for metrics that exist.
func TestDashboard(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join(root, "deploy/monitoring/dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	if len(board.Panels) < 12 {
		t.Errorf("%d panels", len(board.Panels))
	}
	names := exported(t)
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			checkNames(t, p.Title, target.Expr, names)
		}
	}
}
