package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// tool is one scanner.
type tool struct {
	name, path string
	// arguments gives the command line for a layout; an error says that the tool cannot be given that image.
	arguments func(layout, scratch string) ([]string, error)
	// read gives the packages of a report as "name version", and whether the tool said that something was not read.
	read func(ran) (found map[string]bool, warned bool) // found is nil for what is no report
}

// javaIndex is the folder of trivy's index of jars (java-db), which may be empty; "": there is none.
var javaIndex string

func linkJavaIndex(scratch string) error {
	if javaIndex == "" {
		return nil
	}
	return os.Symlink(javaIndex, filepath.Join(scratch, "java-db"))
}

func toolNamed(bin, name string) (tool, bool) {
	for _, t := range tools {
		t.path = filepath.Join(bin, name)
		if _, err := os.Stat(t.path); t.name == name && err == nil {
			return t, true
		}
	}
	return tool{}, false
}

// tools are asked for the inventory alone, without a network.
var tools = []tool{
	{"plimsoll", "", func(layout, scratch string) ([]string, error) {
		return []string{"scan", "oci:" + layout, "--data", filepath.Join(scratch, "data"), "--advisories", scratch, "--policy", "none", "--format", "json"}, nil
	}, readPlimsoll},
	{"trivy", "", func(layout, scratch string) ([]string, error) {
		// Without an index of jars it refuses every image that has one.
		if err := linkJavaIndex(scratch); err != nil {
			return nil, err
		}
		return []string{"image", "--input", layout, "--offline-scan", "--skip-db-update", "--skip-java-db-update", "--skip-version-check", "--cache-backend", "memory", "--format", "cyclonedx"}, nil
	}, readTrivy},
	{"syft", "", func(layout, _ string) ([]string, error) {
		return []string{"scan", "oci-dir:" + layout, "-o", "json"}, nil
	}, readSyft},
	{"osv-scanner", "", func(layout, scratch string) ([]string, error) {
		archive := filepath.Join(scratch, "image.tar")
		return []string{"scan", "image", "--archive", "--offline", "--all-packages", "--format", "json", archive}, errors.Join(emptyAdvisories(scratch), writeArchive(layout, archive))
	}, readOSV},
}

// ecosystems are those of the corpus.
var ecosystems = []string{"AlmaLinux", "Alpine", "Debian", "Go", "Maven", "NuGet", "PyPI", "RubyGems", "crates.io", "npm", "Packagist", "Hex", "Pub", "ConanCenter", "Ubuntu", "Red Hat", "Bitnami", "Hackage", "CRAN", "SwiftURL", "GitHub Actions"}

// emptyAdvisories gives osv-scanner, which does not list packages without advisories, archives without any.
func emptyAdvisories(scratch string) error {
	for _, e := range ecosystems {
		folder := filepath.Join(scratch, "osv-scalibr", e)
		empty := append([]byte("PK\x05\x06"), make([]byte, 18)...)
		if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, "all.zip"), empty, 0o644)); err != nil {
			return fmt.Errorf("advisories: %w", err)
		}
	}
	return nil
}

// readPlimsoll asks for the inventory alone too: secrets, and files without an owner, are nothing that the others look for.
func readPlimsoll(r ran) (map[string]bool, bool) {
	var doc struct {
		Images []struct {
			Read     map[string]struct{ State string }
			Packages []struct{ Name, Version string }
		}
	}
	if json.Unmarshal(r.stdout, &doc) != nil {
		return nil, true
	}
	found, warned := map[string]bool{}, false
	for _, im := range doc.Images {
		for analyzer, read := range im.Read {
			if analyzer != "files" && analyzer != "secrets" {
				warned = warned || read.State != "complete"
			}
		}
		for _, p := range im.Packages {
			found[p.Name+" "+p.Version] = true
		}
	}
	return found, warned
}

// alarms are lines of a log that say that something was not read; the other lines of that level are about the tools' own set-up.
var alarms = regexp.MustCompile(`(?i)\b(warn|warning|error|err)\b|level=(warn|error)`)

// ofTheirOwn are warnings that stand in every run.
var ofTheirOwn = regexp.MustCompile(`(?i)(vulnerability db|java ?db|"--|offline|version check|no longer supported|detection method)`)

func alarmed(log []byte) bool {
	for line := range strings.Lines(string(log)) {
		if alarms.MatchString(line) && !ofTheirOwn.MatchString(line) {
			return true
		}
	}
	return false
}

func readTrivy(r ran) (map[string]bool, bool) {
	var doc struct {
		Components []struct{ Type, Group, Name, Version, PURL string }
	}
	found := map[string]bool{}
	if json.Unmarshal(r.stdout, &doc) != nil {
		return nil, true
	}
	for _, c := range doc.Components {
		if c.PURL == "" || c.Type == "container" {
			continue
		}
		found[c.Name+" "+c.Version] = true
		if i := strings.Index(c.PURL, "epoch="); i >= 0 { // trivy keeps the epoch apart
			epoch, _, _ := strings.Cut(c.PURL[i+len("epoch="):], "&")
			found[c.Name+" "+epoch+":"+c.Version] = true
		}
		if c.Group != "" {
			found[c.Group+":"+c.Name+" "+c.Version] = true
		}
		found[c.Name+" "+strings.TrimPrefix(c.Version, "v")] = true
	}
	return found, alarmed(r.stderr)
}

func readSyft(r ran) (map[string]bool, bool) {
	var doc struct {
		Artifacts []struct {
			Name, Version string
			Metadata      struct {
				PomProperties struct {
					GroupID string `json:"groupId"`
				} `json:"pomProperties"`
			}
		}
		Files []struct{ Unknowns []string }
	}
	found, warned := map[string]bool{}, alarmed(r.stderr)
	if json.Unmarshal(r.stdout, &doc) != nil {
		return nil, true
	}
	for _, a := range doc.Artifacts {
		found[a.Name+" "+strings.TrimPrefix(a.Version, "v")] = true
		found[a.Metadata.PomProperties.GroupID+":"+a.Name+" "+a.Version] = true
	}
	for _, f := range doc.Files {
		warned = warned || len(f.Unknowns) > 0
	}
	return found, warned
}

func readOSV(r ran) (map[string]bool, bool) {
	var doc struct {
		Results []struct {
			Packages []struct {
				Package struct{ Name, Version string }
			}
		}
	}
	found := map[string]bool{}
	if json.Unmarshal(r.stdout, &doc) != nil {
		return nil, true
	}
	for _, r := range doc.Results {
		for _, p := range r.Packages {
			found[p.Package.Name+" "+p.Package.Version] = true
		}
	}
	return found, alarmed(r.stderr)
}
