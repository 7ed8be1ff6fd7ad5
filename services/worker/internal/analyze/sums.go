package analyze

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // dpkg knows files by it
	"crypto/sha1" //nolint:gosec // apk knows files by it
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"path"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Every file that is kept has its sha256, which rpm and Python know files by too. Executables are more than half of an image's
// bytes, and md5 costs twice as much as sha256, so md5 and sha1 are taken only where a package that is known by them may own the
// file. Where one owns it nevertheless, assembly says that it could not compare them: "unverified". The rules, in their order:
//
//   - small files have all sums;
//   - no package owns what stands outside systemFolders, or in usr/local (Debian policy 9.1.2; FHS 3.0, 4.9): neither;
//   - lib64 belongs to rpm's distributions alone; others have links there: neither;
//   - a folder of Debian's multiarch ("x86_64-linux-gnu") belongs to dpkg's alone: md5;
//   - what is linked with musl belongs to apk's, unless its path says that it is Debian's package of musl: sha1;
//   - in a layer that showed what only dpkg's, apk's or rpm's distributions have, before the file: md5, sha1 or neither. Layers are
//     mostly sorted, and etc comes before usr;
//   - anything else: both.

// smallFile is up to where all sums are taken: together, files of this size are some 2 % of an image's executables.
const smallFile = 16 << 10

// systemFolders are the top folders that packages install into.
var systemFolders = []string{
	"bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "usr", "etc", "opt", "var", "boot",
}

// wantedSums says which sums may be asked for.
type wantedSums struct{ md5, sha1 bool }

// sumsFor says which sums a file needs by its path, size and, for what musl is linked to, its first piece.
func sumsFor(p string, size int64, first []byte, seen families) wantedSums {
	if size <= smallFile {
		return wantedSums{true, true}
	}
	top, rest, _ := strings.Cut(p, "/")
	below, _, _ := strings.Cut(rest, "/")
	switch {
	case rest == "" || !slices.Contains(systemFolders, top) || top == "usr" && below == "local":
		return wantedSums{}
	case top == "lib64" || top == "usr" && below == "lib64":
		return wantedSums{}
	case inMultiarch(p):
		return wantedSums{md5: true}
	case !strings.Contains(p, "musl") && linksMusl(first):
		return wantedSums{sha1: true}
	}
	switch seen {
	case familyDpkg:
		return wantedSums{md5: true}
	case familyApk:
		return wantedSums{sha1: true}
	case familyRPM:
		return wantedSums{}
	}
	return wantedSums{true, true}
}

// families are the kinds of distributions that a layer showed so far.
type families uint8

const (
	familyDpkg families = 1 << iota
	familyApk
	familyRPM
)

// familyMarks are the paths that tell families, of two names each.
var familyMarks = map[string]families{
	"etc/debian_version": familyDpkg, "etc/dpkg": familyDpkg, "etc/apt": familyDpkg,
	"etc/alpine-release": familyApk, "etc/apk": familyApk, "lib/apk": familyApk,
	"etc/redhat-release": familyRPM, "etc/rpm": familyRPM, "etc/yum.repos.d": familyRPM, "etc/dnf": familyRPM, "etc/zypp": familyRPM,
}

// familyOf is the family that a path tells of; 0 for nearly all.
func familyOf(p string) families {
	if !strings.HasPrefix(p, "etc/") && !strings.HasPrefix(p, "lib/") {
		return 0
	}
	const top = len("etc/")
	if end := strings.IndexByte(p[top:], '/'); end >= 0 {
		p = p[:top+end]
	}
	return familyMarks[p]
}

// inMultiarch tells paths in a folder named by a GNU triplet of three parts (Debian, "Multiarch/Tuples").
func inMultiarch(p string) bool {
	for part := range strings.SplitSeq(path.Dir(p), "/") {
		if strings.Contains(part, "-linux-gnu") {
			return true
		}
	}
	return false
}

// linksMusl tells an ELF file that needs musl by the names of its loader or of its library, which nearly always stand near its
// beginning. A file that is not told has one sum more than it needs.
func linksMusl(first []byte) bool {
	return kindOf(first) == plimsoll.FileELF && (bytes.Contains(first, []byte("ld-musl-")) || bytes.Contains(first, []byte("libc.musl-")))
}

// summer is the sink that takes a file's sums and puts them into the last of the files kept.
type summer struct {
	sha256, md5, sha1 hash.Hash
	x                 *files
	path              string
	size              int64
	begun             bool
	wanted            wantedSums
}

func newSummer() *summer {
	return &summer{sha256: sha256.New(), md5: md5.New(), sha1: sha1.New()} //nolint:gosec // see above
}

func (s *summer) start(x *files, path string, size int64) {
	s.x, s.path, s.size, s.begun, s.wanted = x, path, size, false, wantedSums{true, true}
	s.sha256.Reset()
	s.md5.Reset()
	s.sha1.Reset()
}

func (s *summer) write(b []byte) {
	if !s.begun {
		s.begun, s.wanted = true, sumsFor(s.path, s.size, b, s.x.seen)
	}
	s.sha256.Write(b)
	if s.wanted.md5 {
		s.md5.Write(b)
	}
	if s.wanted.sha1 {
		s.sha1.Write(b)
	}
}

// close leaves a file without sums whose content is not all there.
func (s *summer) close(short string) {
	if short != "" {
		if short != cutShort {
			s.x.reason = short
		}
		return
	}
	f := &s.x.facts.Files[len(s.x.facts.Files)-1]
	f.SHA256 = hex.EncodeToString(s.sha256.Sum(nil))
	if s.wanted.md5 {
		f.MD5 = hex.EncodeToString(s.md5.Sum(nil))
	}
	if s.wanted.sha1 {
		f.SHA1 = hex.EncodeToString(s.sha1.Sum(nil))
	}
}
