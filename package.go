package plimsoll

// Package is one installed unit as its database or its own metadata names it.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"` // as the ecosystem writes it, epoch included
	// Source is the source package for distributions; empty when it is the package itself. SourceVersion likewise.
	Source        string `json:"source,omitempty"`
	SourceVersion string `json:"source_version,omitempty"`
	Architecture  string `json:"architecture,omitempty"`
	// Ecosystem is OSV's name with release where it has one: "Debian:12", "Alpine:v3.20", "npm". Within layer facts the
	// release of OS packages is not known yet and Ecosystem is the family alone; assembly fills it from os-release.
	Ecosystem string `json:"ecosystem,omitempty"`
	PURL      string `json:"purl"`
	// Module is an RPM module label "name:stream"; empty elsewhere.
	Module string `json:"module,omitempty"`
	// Layer is the index of the layer, lowest = 0, that brought this version; Path is where it was found: its database
	// or its own file, relative to the image's root.
	Layer int    `json:"layer"`
	Path  string `json:"path"`
	// HiddenIn is the index of the layer that removed it, of a hidden package.
	HiddenIn int `json:"hidden_in,omitempty"`
	// Extractor is the reader that found it: "os/dpkg", "language/javascript/packagejson" …
	Extractor string `json:"extractor,omitempty"`
	// NotMatched is why this entry is judged by another, and not itself; empty for nearly all. "installed by <package>": the file
	// belongs to an OS package, which its distribution patches and versions in its place; "transitional package"; "kernel sources".
	NotMatched string `json:"not_matched,omitempty"`
}

// PackageFacts are the package databases and package files of one layer.
type PackageFacts struct {
	// Sources holds one entry a file that an extractor read, in the order of the tar. An upper layer's file replaces a
	// lower layer's one at the same path.
	Sources []PackageSource `json:"sources"`
	// Releases holds each os-release file of the layer, reduced to what names the distribution.
	Releases []ReleaseFile `json:"releases,omitempty"`
}

// ReleaseFile is one file that names a distribution, or that could: an empty value hides those of lower layers.
type ReleaseFile struct {
	Path    string    `json:"path"`
	Entry   int       `json:"entry"` // index among the layer's tree entries
	Release OSRelease `json:"release"`
}

// PackageSource is one file that held packages: a whole database, a lock file, a binary.
type PackageSource struct {
	Path      string    `json:"path"`
	Entry     int       `json:"entry"` // index among the layer's tree entries
	Extractor string    `json:"extractor"`
	Database  bool      `json:"database,omitempty"` // an OS package database: every layer's version holds all packages
	Packages  []Package `json:"packages"`
	// Read is complete, or partial with the reason: a malformed stanza, a cap that was hit, a broken binary.
	Read Coverage `json:"read"`
}

// OSRelease is the part of os-release(5) that names a distribution and its release.
type OSRelease struct {
	ID              string `json:"id"`
	IDLike          string `json:"id_like,omitempty"`
	VersionID       string `json:"version_id,omitempty"`
	VersionCodename string `json:"version_codename,omitempty"`
	PrettyName      string `json:"pretty_name,omitempty"`
	CPE             string `json:"cpe,omitempty"` // CPE_NAME: Red Hat's advisories are keyed by it
}
