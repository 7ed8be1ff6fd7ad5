package analyze

import (
	"bytes"
	"path"
	"strings"

	"github.com/google/osv-scalibr/extractor/filesystem/language/java/groupid"
)

// coordinates name a Maven package.
type coordinates struct{ group, artifact, version string }

func (c coordinates) whole() bool { return c.group != "" && c.artifact != "" && c.version != "" }

// parsePom reads pom.properties, which Maven puts in each jar (maven-archiver): lines "key=value". Some lack a key; the folder,
// META-INF/maven/<group>/<artifact>/, says it as well.
func parsePom(name string, b []byte) (coordinates, bool) {
	var c coordinates
	fields := map[string]*string{"groupId": &c.group, "artifactId": &c.artifact, "version": &c.version}
	for line := range bytes.Lines(b) {
		key, value, _ := strings.Cut(string(line), "=")
		if to := fields[strings.TrimSpace(key)]; to != nil {
			*to = strings.TrimSpace(value)
		}
	}
	if dir := strings.Split(path.Dir(name), "/"); len(dir) >= 4 && dir[len(dir)-3] == "maven" && dir[len(dir)-4] == "META-INF" {
		if c.group == "" {
			c.group = dir[len(dir)-2]
		}
		if c.artifact == "" {
			c.artifact = dir[len(dir)-1]
		}
	}
	return c, c.whole() && !strings.Contains(c.group+c.artifact+c.version, " ")
}

// manifest holds the attributes of a jar's manifest that may name it (JAR File Specification, "JAR Manifest"): the first value of
// each, in lower case, whichever section it stands in.
type manifest map[string]string

// Attributes in the order in which they are believed: osv-scalibr's, so that both name jars alike.
var (
	manifestGroups = []string{
		"bundle-symbolicname", "extension-name", "specification-vendor", "implementation-vendor", "implementation-vendor-id",
		"implementation-title", "bundle-activator", "automatic-module-name", "main-class", "package",
	}
	manifestArtifacts = []string{"name", "implementation-title", "specification-title", "bundle-name", "short-name", "extension-name"}
	manifestVersions  = []string{"implementation-version", "specification-version", "plugin-version", "bundle-version"}
	manifestWanted    = wantedAttributes()
)

func wantedAttributes() map[string]bool {
	all := map[string]bool{"created-by": true}
	for _, list := range [][]string{manifestGroups, manifestArtifacts, manifestVersions} {
		for _, key := range list {
			all[key] = true
		}
	}
	return all
}

// parseManifest gives the attributes; ok is false when a line is none. A line that begins with a space goes on with the one before.
func parseManifest(b []byte) (m manifest, ok bool) {
	m = manifest{}
	var last string // the attribute that a continuation adds to; empty: to none that is wanted
	first := true
	for line := range bytes.Lines(b) {
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case len(line) == 0:
			continue
		case line[0] == ' ' || line[0] == '\t':
			if first {
				return m, false
			}
			if last != "" && len(m[last]) < maxField {
				m[last] += string(line[1:])
			}
			continue
		}
		first = false
		key, value, found := bytes.Cut(line, []byte(":"))
		if !found || len(key) == 0 || bytes.ContainsAny(key, " \t") {
			return m, false
		}
		last = ""
		if name := strings.ToLower(string(key)); manifestWanted[name] {
			if _, has := m[name]; !has {
				m[name], last = strings.TrimSpace(string(value)), name
			}
		}
	}
	return m, true
}

// coordinates are what osv-scalibr takes a jar's name from.
func (m manifest) coordinates() coordinates {
	c := coordinates{artifact: m.artifact(), version: m.version()}
	if c.group = groupid.FromArtifactID(c.artifact); c.group == "" {
		c.group = m.group()
	}
	return c
}

func (m manifest) group() string {
	for _, key := range manifestGroups {
		value := m[key]
		if key == "implementation-title" {
			value = domainLike(value)
		}
		if value != "" && !strings.Contains(value, " ") {
			group, _, _ := strings.Cut(strings.ToLower(value), ";")
			return group
		}
	}
	return ""
}

// domainLike is the first word of letters, digits, dots, dashes and underscores: "org.elasticsearch" of
// "org.elasticsearch#server;8.14.3".
func domainLike(s string) string {
	word := func(r rune) bool {
		return r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	start := strings.IndexFunc(s, word)
	if start < 0 {
		return ""
	}
	if end := strings.IndexFunc(s[start:], func(r rune) bool { return !word(r) }); end >= 0 {
		return s[start : start+end]
	}
	return s[start:]
}

func (m manifest) artifact() string {
	if m["created-by"] == "Apache Maven Bundle Plugin" {
		name := m["bundle-symbolicname"]
		if last := name[strings.LastIndexByte(name, '.')+1:]; isArtifact(last) {
			return last
		}
	}
	if m["name"] == "org/apache/axis" {
		return "axis"
	}
	for _, key := range manifestArtifacts {
		if isArtifact(m[key]) {
			return m[key]
		}
	}
	return ""
}

// isArtifact keeps out titles of several words and names that a build left to be filled in ("${bundle.name}", "%pluginName").
func isArtifact(s string) bool {
	return s != "" && !strings.Contains(s, " ") && s[0] != '$' && s[0] != '%'
}

func (m manifest) version() string {
	for _, key := range manifestVersions {
		if m[key] != "" {
			v, _, _ := strings.Cut(m[key], " ")
			return v
		}
	}
	return ""
}

// domain is a reversed domain that the manifest gives as the jar's own name, and that goes with the file's name; empty when there
// is none. Names of one word, of vendors and of classes are not believed: they make packages that do not exist.
func (m manifest) domain(stem string) string {
	for _, key := range []string{"bundle-symbolicname", "automatic-module-name", "implementation-vendor-id"} {
		name, _, _ := strings.Cut(strings.ToLower(m[key]), ";")
		if name = strings.TrimSpace(name); strings.Count(name, ".") < 2 || strings.ContainsAny(name, " $%/") {
			continue
		}
		last := name[strings.LastIndexByte(name, '.')+1:]
		if strings.Contains(strings.ToLower(stem), last) {
			return name
		}
	}
	return ""
}
