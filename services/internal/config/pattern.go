package config

import (
	"fmt"
	"path"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// maxPattern bounds one pattern, in bytes: the longest repository and the longest tag, and a colon.
const maxPattern = 255 + 1 + 128

// Match says whether a repository, or one of its tags, is wanted: some include pattern matches it (or there is none) and
// no exclude pattern does.
//
// A pattern is written on repository or on repository:tag. Each part between slashes is matched as by [path.Match]: * and
// ? do not cross slashes; ** as a whole part stands for any number of parts, also none. A pattern without a colon covers
// all tags of its repositories. With an empty tag the question is whether any tag could be wanted, so a pattern
// with a colon then includes by its repository alone, and excludes nothing.
func Match(include, exclude []string, repository, tag string) bool {
	for _, p := range exclude {
		if _, forTag := splitPattern(p); (tag != "" || forTag == "") && matches(p, repository, tag) {
			return false
		}
	}
	for _, p := range include {
		if matches(p, repository, tag) {
			return true
		}
	}
	return len(include) == 0
}

func matches(pattern, repository, tag string) bool {
	forRepository, forTag := splitPattern(pattern)
	if tag != "" && forTag != "" && !matchPart(forTag, tag) {
		return false
	}
	return matchParts(strings.Split(forRepository, "/"), strings.Split(repository, "/"))
}

func splitPattern(p string) (repository, tag string) {
	repository, tag, _ = strings.Cut(p, ":")
	return repository, tag
}

// matchParts keeps, for each number of parts used, whether the pattern so far can have used that many: the time is the
// product of both lengths, whatever the pattern.
func matchParts(pattern, parts []string) bool {
	can := make([]bool, len(parts)+1)
	can[0] = true
	for _, p := range pattern {
		next := make([]bool, len(parts)+1)
		if p == "**" {
			reached := false
			for i := range can {
				reached = reached || can[i]
				next[i] = reached
			}
		} else {
			for i, part := range parts {
				next[i+1] = can[i] && matchPart(p, part)
			}
		}
		can = next
	}
	return can[len(parts)]
}

// matchPart takes a bad pattern as one that matches nothing; the check of the configuration refuses it.
func matchPart(pattern, part string) bool {
	ok, err := path.Match(pattern, part)
	return ok && err == nil
}

// CheckPattern returns an error for text that is no pattern.
func CheckPattern(p string) error {
	if fault := checkPattern(p); fault != "" {
		return fmt.Errorf("%w: %s", plimsoll.ErrInvalid, fault)
	}
	return nil
}

// checkPattern returns what is wrong with a pattern and what to write, or "".
func checkPattern(p string) string {
	repository, tag := splitPattern(p)
	switch {
	case p == "":
		return "empty pattern; write one such as team/** or leave the line out"
	case len(p) > maxPattern:
		return fmt.Sprintf("pattern longer than %d bytes", maxPattern)
	case strings.Contains(p, "://"):
		return fmt.Sprintf("%q; patterns are on repository[:tag], without a registry", p)
	case strings.HasPrefix(p, "/"), strings.HasSuffix(repository, "/"), repository == "":
		return fmt.Sprintf("%q; a repository neither begins nor ends with a slash: write team/** for all below team", p)
	case strings.Contains(p, ":") && (tag == "" || strings.ContainsAny(tag, ":/")):
		return fmt.Sprintf("%q; write repository:tag, one colon and a tag without slashes", p)
	}
	for part := range strings.SplitSeq(repository, "/") {
		if part != "**" && strings.Contains(part, "**") {
			return fmt.Sprintf("%q; ** stands alone between slashes: write * within a part", p)
		}
		if _, err := path.Match(part, ""); err != nil {
			return fmt.Sprintf("%q: %q is no pattern; close each [ with ] and end with no backslash", p, part)
		}
	}
	if _, err := path.Match(tag, ""); err != nil {
		return fmt.Sprintf("%q: %q is no pattern; close each [ with ] and end with no backslash", p, tag)
	}
	return ""
}
