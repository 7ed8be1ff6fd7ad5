package advisory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Source is where published advisories come from, in the layout of osv.dev's bucket: ecosystems.txt and one
// <Ecosystem>/all.zip each.
type Source interface {
	// Name stands in generations: a folder, a URL.
	Name() string
	// Ecosystems are the feeds that the source offers, sorted.
	Ecosystems(ctx context.Context) ([]string, error)
	// Zip reads one feed, at most [MaxZip] bytes. have is what the last answer of this source said of itself.
	Zip(ctx context.Context, ecosystem string, have Stamp) (Answer, error)
}

// Stamp is what an answer says of itself, for conditional requests.
type Stamp struct{ ETag, Changed string }

// Answer is one feed as read. Unchanged: it is still what have said, and Bytes is empty.
type Answer struct {
	Bytes     []byte
	Stamp     Stamp
	Unchanged bool
}

const (
	allZip        = "all.zip"
	ecosystemsTxt = "ecosystems.txt"
	// maxList bounds ecosystems.txt, in bytes, and maxFeeds its lines: osv.dev's has under 400, releases included.
	maxList  = 64 << 10
	maxFeeds = 500
)

// Open is the source at a location: a URL (http or https), a folder, or a bundle, for which a key must be given.
func Open(location string, o WebOptions) (Source, error) {
	if isWeb(location) {
		return Web(location, o)
	}
	info, err := os.Stat(location)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("advisories %s: %w: there is no such folder; give one in osv.dev's layout (<Ecosystem>/all.zip) or its URL", location, plimsoll.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("advisories %s: %w: the folder cannot be read: %w", location, plimsoll.ErrUnavailable, err)
	case info.Mode().IsRegular() && o.BundleKey != "":
		public, err := PublicKey(o.BundleKey)
		if err != nil {
			return nil, fmt.Errorf("bundle key: %w", err)
		}
		return Bundle(location, public), nil
	case info.Mode().IsRegular() && strings.HasSuffix(location, ".bundle"):
		return nil, fmt.Errorf("advisories %s: %w: a bundle needs the public key that it is signed for; give --bundle-key, or reporter.bundle_key", location, plimsoll.ErrInvalid)
	case !info.IsDir():
		return nil, fmt.Errorf("advisories %s: %w: it is no folder; give one in osv.dev's layout (<Ecosystem>/all.zip) or its URL", location, plimsoll.ErrInvalid)
	}
	return folder{location, os.DirFS(location), os.DirFS(filepath.Join(location, "..", enrichmentFolder))}, nil
}

func isWeb(location string) bool {
	return strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://")
}

// None is the source of those who have none: it gives the reason.
func None(why error) Source { return none{why} }

type none struct{ why error }

func (none) Name() string                                         { return "" }
func (n none) Ecosystems(context.Context) ([]string, error)       { return nil, n.why }
func (n none) Zip(context.Context, string, Stamp) (Answer, error) { return Answer{}, n.why }

// Files is a source that a file system holds: a folder or an embedded set.
func Files(name string, fsys fs.FS) Source { return folder{name, fsys, nil} }

type folder struct {
	name string
	fsys fs.FS
	// beside is the folder "enrichment" next to the source's, where the source itself holds none; nil for none.
	beside fs.FS
}

func (f folder) Name() string { return f.name }

// Ecosystems takes ecosystems.txt where there is one, and every folder with a zip: what lies there is meant to be used.
func (f folder) Ecosystems(ctx context.Context) ([]string, error) {
	entries, err := fs.ReadDir(f.fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("advisories %s: %w: the folder cannot be read: %w", f.name, plimsoll.ErrUnavailable, err)
	}
	var names []string
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if _, err := fs.Stat(f.fsys, e.Name()+"/"+allZip); err == nil {
			names = append(names, e.Name())
		}
	}
	list, err := f.read(ecosystemsTxt, maxList)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("advisories %s: %w", f.name, err)
	}
	names = feedNames(append(names, strings.Split(string(list), "\n")...))
	if len(names) == 0 {
		return nil, fmt.Errorf("advisories %s: %w: the folder is empty; it needs <Ecosystem>/all.zip as in osv.dev's bucket", f.name, plimsoll.ErrNotFound)
	}
	return names, nil
}

func (f folder) Zip(ctx context.Context, ecosystem string, _ Stamp) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, context.Cause(ctx)
	}
	b, err := f.read(ecosystem+"/"+allZip, MaxZip)
	return Answer{Bytes: b}, err
}

func (f folder) read(name string, limit int64) ([]byte, error) { return readFrom(f.fsys, name, limit) }

func readFrom(fsys fs.FS, name string, limit int64) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.IsDir() {
		return nil, errors.Join(err, fmt.Errorf("%s: %w: no file", name, plimsoll.ErrInvalid))
	}
	return readAll(file, name, limit)
}

func readAll(r io.Reader, name string, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s: %w: larger than %d bytes", name, plimsoll.ErrLimit, limit)
	}
	return b, nil
}

// feedNames are the feeds that some lines name: releases ("Debian:12") are parts of their family's feed, and what could
// leave the source's folder is none.
func feedNames(lines []string) []string {
	var out []string
	for _, l := range lines {
		l = strings.TrimSpace(l)
		if l == "" || len(l) > maxSegment || strings.ContainsAny(l, ":/\\\x00") || strings.HasPrefix(l, ".") || line(l) != l {
			continue
		}
		out = append(out, l)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxFeeds)]
}

// maxSegment bounds a feed's name, in bytes: it is a segment of an object key.
const maxSegment = 100
