package imagetest

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// Package is one installed package of the content makers. Only Name and Version are needed.
type Package struct {
	Name, Version string
	Arch          string // empty: the distribution's word for amd64
	Source        string // name of the source package; empty: the same
	SourceVersion string // Debian alone; empty: the same
}

// AlpineLike is what an Alpine base leaves behind for analysers: os-release and apk's database. Release is "3.20.3".
func AlpineLike(release string, packages ...Package) []File {
	branch := release
	if parts := strings.SplitN(release, ".", 3); len(parts) == 3 {
		branch = parts[0] + "." + parts[1]
	}
	var db strings.Builder
	for _, p := range packages {
		db.WriteString(apkStanza(p))
	}
	return []File{
		Dir("etc"), Dir("etc/apk"), Dir("lib"), Dir("lib/apk"), Dir("lib/apk/db"),
		Text("etc/os-release", fmt.Sprintf("NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=%s\nPRETTY_NAME=\"Alpine Linux v%s\"\n", release, branch)),
		Text("etc/alpine-release", release+"\n"),
		Text("etc/apk/world", joinNames(packages)),
		Text("lib/apk/db/installed", db.String()),
	}
}

// apkStanza is one record of lib/apk/db/installed, fields as apk-tools version 2 writes them.
func apkStanza(p Package) string {
	return fmt.Sprintf("C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:%s\nV:%s\nA:%s\nS:1000\nI:4096\nT:%s\nL:MIT\no:%s\nF:usr\nF:usr/lib\nR:%s.txt\nZ:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n",
		p.Name, p.Version, orElse(p.Arch, "x86_64"), "package "+p.Name, orElse(p.Source, p.Name), p.Name)
}

// debianNames are the code names of Debian's releases.
var debianNames = map[string]string{"10": "buster", "11": "bullseye", "12": "bookworm", "13": "trixie"}

// DebianLike is what a Debian base leaves behind for analysers: os-release, dpkg's status file and its list of each package's
// files. Release is "12".
func DebianLike(release string, packages ...Package) []File {
	var status strings.Builder
	for _, p := range packages {
		status.WriteString(DpkgStanza(p))
	}
	code := debianNames[release]
	files := []File{
		Dir("etc"), Dir("usr"), Dir("usr/lib"), Dir("var"), Dir("var/lib"), Dir("var/lib/dpkg"), Dir("var/lib/dpkg/info"),
		Text("usr/lib/os-release", fmt.Sprintf("PRETTY_NAME=\"Debian GNU/Linux %s (%s)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"%s\"\nVERSION=\"%s (%s)\"\nVERSION_CODENAME=%s\nID=debian\n",
			release, code, release, release, code, code)),
		Symlink("etc/os-release", "../usr/lib/os-release"),
		Text("etc/debian_version", release+".0\n"),
		Text("var/lib/dpkg/status", status.String()),
	}
	for _, p := range packages {
		files = append(files, Text("var/lib/dpkg/info/"+p.Name+".list", "/.\n/usr\n/usr/share/doc/"+p.Name+"\n"))
	}
	return files
}

// DpkgStanza is one record of dpkg's status file.
func DpkgStanza(p Package) string {
	var source string
	if p.Source != "" || p.SourceVersion != "" {
		source = "Source: " + orElse(p.Source, p.Name)
		if p.SourceVersion != "" {
			source += " (" + p.SourceVersion + ")"
		}
		source += "\n"
	}
	return fmt.Sprintf("Package: %s\nStatus: install ok installed\nPriority: optional\nSection: libs\nInstalled-Size: 100\nMaintainer: Nobody <nobody@example.invalid>\nArchitecture: %s\n%sVersion: %s\nDescription: package %s\n\n",
		p.Name, orElse(p.Arch, "amd64"), source, p.Version, p.Name)
}

// NodeApp is a Node application under app/ with its packages installed in app/node_modules. Scoped names (@a/b) work.
func NodeApp(name string, packages ...Package) []File {
	dependencies := map[string]string{}
	files := []File{Dir("app"), Dir("app/node_modules")}
	for _, p := range packages {
		dependencies[p.Name] = p.Version
		dir := path.Join("app/node_modules", p.Name)
		if scope := path.Dir(p.Name); scope != "." {
			files = append(files, Dir(path.Join("app/node_modules", scope)))
		}
		files = append(files, Dir(dir), Text(path.Join(dir, "package.json"), packageJSON(p.Name, p.Version, nil)),
			Text(path.Join(dir, "index.js"), "module.exports = {};\n"))
	}
	return append(files, Text("app/package.json", packageJSON(name, "1.0.0", dependencies)), Text("app/index.js", "console.log('up');\n"))
}

func packageJSON(name, version string, dependencies map[string]string) string {
	b, err := json.MarshalIndent(struct {
		Name         string            `json:"name"`
		Version      string            `json:"version"`
		License      string            `json:"license"`
		Dependencies map[string]string `json:"dependencies,omitempty"`
	}{name, version, "MIT", dependencies}, "", "  ")
	must(err)
	return string(b) + "\n"
}

func joinNames(packages []Package) string {
	var b strings.Builder
	for _, p := range packages {
		b.WriteString(p.Name + "\n")
	}
	return b.String()
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
