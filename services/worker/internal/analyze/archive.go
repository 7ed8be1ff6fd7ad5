package analyze

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/language/java/archive"

	"github.com/plimsoll/plimsoll"
)

// jars reads Java archives. The extractor reads manifests whole and nested archives into memory, so what an archive would make
// it hold is measured first.
type jars struct{ extractor filesystem.Extractor }

func newArchive() (jars, error) {
	hash := false // it serves a look-up over the network, and gives archives without a name one ("unknown")
	e, err := archive.New(&cpb.PluginConfig{PluginSpecific: []*cpb.PluginSpecificConfig{{
		Config: &cpb.PluginSpecificConfig_JavaArchive{JavaArchive: &cpb.JavaArchiveConfig{
			MaxZipDepth: maxNesting, MaxOpenedBytes: maxUnpacked, HashJars: &hash,
		}},
	}}})
	if err != nil {
		return jars{}, fmt.Errorf("extractor %s: %w", NameJava, err)
	}
	return jars{e}, nil
}

func (x jars) read(ctx context.Context, f *file) ([]plimsoll.Package, string) {
	m := measure{ctx: ctx}
	if m.archive(f.data, 1); m.reason != "" {
		return nil, m.reason
	}
	ps, err := scan(ctx, x.extractor, f)
	if err != nil {
		return convertAll(ps), reasonBroken
	}
	return convertAll(ps), ""
}

// measure goes through an archive and those within it, and stops at the first bound.
type measure struct {
	ctx      context.Context //nolint:containedctx // lives as long as one call
	members  int
	unpacked int64
	reason   string
}

func (m *measure) archive(b []byte, depth int) {
	// A member's header in the central directory starts with these bytes: counting them bounds what opening allocates.
	if m.members += bytes.Count(b, []byte("PK\x01\x02")); m.members > maxMembers {
		m.reason = fmt.Sprintf("limit reached: archive of more than %d members", maxMembers)
		return
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return // the extractor tells that
	}
	for _, member := range z.File {
		if m.ctx.Err() != nil {
			return
		}
		if m.member(member, depth); m.reason != "" {
			return
		}
	}
}

func (m *measure) member(member *zip.File, depth int) {
	switch base := path.Base(member.Name); {
	case strings.EqualFold(base, "manifest.mf"), base == "pom.properties":
		if member.UncompressedSize64 > maxManifest {
			m.reason = fmt.Sprintf("limit reached: manifest of more than %d MiB", maxManifest>>20)
		}
	case archive.IsArchive(member.Name):
		if depth >= maxNesting {
			m.reason = fmt.Sprintf("limit reached: archives nested deeper than %d", maxNesting)
			return
		}
		m.nested(member, depth+1)
	}
}

func (m *measure) nested(member *zip.File, depth int) {
	if m.unpacked += int64(min(member.UncompressedSize64, maxUnpacked+1)); m.unpacked > maxUnpacked {
		m.reason = fmt.Sprintf("limit reached: archive unpacks to more than %d MiB", maxUnpacked>>20)
		return
	}
	r, err := member.Open()
	if err != nil {
		return // the extractor tells that
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(io.LimitReader(r, int64(member.UncompressedSize64)))
	if err != nil {
		return
	}
	m.archive(b, depth)
}

// python reads the metadata of wheels and eggs, unpacked or as archives.
type python struct{ extractor filesystem.Extractor }

func (x python) read(ctx context.Context, f *file) ([]plimsoll.Package, string) {
	if bytes.Count(f.data, []byte("PK\x01\x02")) > maxMembers {
		return nil, fmt.Sprintf("limit reached: archive of more than %d members", maxMembers)
	}
	return plain(x).read(ctx, f)
}

// gems reads specifications of installed gems: each names one.
type gems struct{ extractor filesystem.Extractor }

func (x gems) read(ctx context.Context, f *file) ([]plimsoll.Package, string) {
	found, reason := plain(x).read(ctx, f)
	if len(found) == 0 {
		reason = reasonBroken // the extractor passes over a specification that it cannot read
	}
	return found, reason
}
