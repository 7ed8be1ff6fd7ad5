package analyze

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem/language/java/archive"
	archivemeta "github.com/google/osv-scalibr/extractor/filesystem/language/java/archive/metadata"
	"github.com/google/osv-scalibr/purl"

	"github.com/plimsoll/plimsoll"
)

// Jars are read by our own code: osv-scalibr's extractor reads nested archives and manifests whole, without a bound on the sum. Only
// manifests, pom.properties and nested archives are opened; nested ones are inflated one at a time, and those that are stored as
// they are not copied at all. One budget holds for all that is within one file.
//
// Names are osv-scalibr's: of each archive all its pom.properties; without any, the file's name, with the manifest's group; without
// that, the manifest. Three kinds of names are added, each in a function of its own below: pom.properties that leave the group to
// their folder (parsePom), jars that hold other packages' pom.properties but not their own (beside), and jars whose manifest gives a
// domain that goes with the file's name (named).

// readJar reads a Java archive and those within it.
func readJar(ctx context.Context, f *file) ([]plimsoll.Package, string) {
	r := jarReader{ctx: ctx, unpacker: unpacker{most: maxUnpacked}}
	r.archive(f.data, f.path, 1)
	slices.SortFunc(r.found, comparePackages)
	return slices.Compact(r.found), r.reason
}

// jarReader goes through an archive and those within it.
type jarReader struct {
	unpacker

	ctx     context.Context //nolint:containedctx // lives as long as one call
	members int
	held    int64                  // bytes of inflated archives that stand in memory now
	buffers [maxNesting + 1][]byte // by depth, used again: a fat jar holds hundreds of small ones
	found   []plimsoll.Package
	reason  string // the first one
	stopped bool   // the budget is spent
}

func (r *jarReader) short(reason string) { r.reason = cmp.Or(r.reason, reason) }

func (r *jarReader) stop(format string, args ...any) {
	r.short(fmt.Sprintf("limit reached: "+format, args...))
	r.stopped = true
}

// jar is what one archive says of itself.
type jar struct {
	name      string // its path, of which the last element counts
	poms      []coordinates
	manifests []manifest
}

// archive reads one archive. Each level of nesting calls it again; maxNesting bounds that.
func (r *jarReader) archive(b []byte, name string, depth int) {
	if len(b) < zipMinimum {
		return
	}
	d, err := openZip(b)
	if err != nil {
		r.short(reasonBroken)
		return
	}
	if d.two {
		r.short("two ends of an archive")
	}
	j := jar{name: name}
	for m, err := range d.members() {
		if err != nil {
			r.short(reasonBroken)
			break
		}
		if r.members++; r.members > maxMembers {
			r.stop("archive of more than %d members", maxMembers)
		}
		if r.stopped || r.ctx.Err() != nil {
			break
		}
		r.member(d, &m, &j, depth)
	}
	for _, c := range j.packages() {
		r.found = append(r.found, mavenPackage(c))
	}
}

func (r *jarReader) member(d zipDirectory, m *zipMember, j *jar, depth int) {
	switch base := path.Base(m.name); {
	case base == "pom.properties":
		if b, ok := r.text(d, m); ok {
			if c, ok := parsePom(m.name, b); ok {
				j.poms = append(j.poms, c)
			}
		}
	case strings.EqualFold(base, "manifest.mf"):
		if b, ok := r.text(d, m); ok {
			said, ok := parseManifest(b)
			if !ok {
				r.short(reasonBroken)
				return
			}
			j.manifests = append(j.manifests, said)
		}
	case archive.IsArchive(m.name) && !strings.HasSuffix(m.name, "/"):
		r.nested(d, m, j.name, depth)
	}
}

// text gives the content of a manifest or pom.properties.
func (r *jarReader) text(d zipDirectory, m *zipMember) ([]byte, bool) {
	if m.unpacked > maxManifest {
		r.short(fmt.Sprintf("limit reached: manifest of more than %d MiB", maxManifest>>20))
		return nil, false
	}
	b, err := r.unpack(d, m, nil, maxManifest)
	return b, r.opened(err)
}

// opened tells whether a member could be read, and keeps the reason when not.
func (r *jarReader) opened(err error) bool {
	switch {
	case err == nil:
		return true
	case r.spent > maxUnpacked:
		r.stop("archive unpacks to more than %d MiB", maxUnpacked>>20)
	case errors.Is(err, errEncrypted), errors.Is(err, errMethod):
		r.short(err.Error())
	default:
		r.short(reasonBroken)
	}
	return false
}

// nested reads an archive within the archive.
func (r *jarReader) nested(d zipDirectory, m *zipMember, name string, depth int) {
	switch {
	case depth >= maxNesting:
		r.short(fmt.Sprintf("limit reached: archives nested deeper than %d", maxNesting))
		return
	case m.method == zipStored:
		if b, err := r.unpack(d, m, nil, maxFile); r.opened(err) {
			r.archive(b, path.Join(name, m.name), depth+1)
		}
		return
	case m.unpacked > uint64(maxHeld-r.held):
		r.short(fmt.Sprintf("limit reached: nested archives of more than %d MiB", maxHeld>>20))
		return
	}
	size := int64(m.unpacked)
	r.held += size
	if b, err := r.unpack(d, m, r.buffers[depth], size); r.opened(err) {
		if cap(b) <= maxKept {
			r.buffers[depth] = b
		}
		r.archive(b, path.Join(name, m.name), depth+1)
	}
	r.held -= size
}

// maxKept bounds a buffer that is kept for the next nested archive.
const maxKept = 2 << 20

// packages are the names of one archive.
func (j *jar) packages() []coordinates {
	if len(j.poms) > 0 {
		return append(j.poms, j.beside()...)
	}
	said := j.valid()
	if file := archive.ParseFilename(j.name); file != nil {
		return []coordinates{j.byFile(file, said)}
	}
	if len(said) > 0 {
		return said
	}
	return j.named()
}

// valid are the manifests that name the jar whole. Nearly all jars have one manifest.
func (j *jar) valid() (all []coordinates) {
	for _, m := range j.manifests {
		if c := m.coordinates(); c.whole() {
			all = append(all, c)
		}
	}
	return all
}

// byFile names a jar by its file's name. The group is the manifest's where it gives one; else the artifact's own name, as that of
// the oldest packages is (junit:junit), unless the file's name is a domain.
func (j *jar) byFile(file *archive.JarProps, said []coordinates) coordinates {
	c := coordinates{group: file.ArtifactID, artifact: file.ArtifactID, version: file.Version}
	switch {
	case len(said) == 1:
		c.group = said[0].group
	case file.GroupID != "":
		c.group = strings.ToLower(file.GroupID)
	case len(j.manifests) == 1:
		c.group = cmp.Or(j.manifests[0].domain(file.ArtifactID), c.group)
	}
	return c
}

// beside names a jar that holds the pom.properties of packages that were copied into it, but not its own: its manifest must give
// all, a version that none of them has, and a name that is the file's.
func (j *jar) beside() []coordinates {
	stem := strings.TrimSuffix(path.Base(j.name), path.Ext(j.name))
	for _, c := range j.valid() {
		copied := func(p coordinates) bool { return p.version == c.version || p.artifact == c.artifact }
		if c.artifact == stem && strings.Contains(c.group, ".") && !slices.ContainsFunc(j.poms, copied) {
			return []coordinates{c}
		}
	}
	return nil
}

// named names a jar whose file has no version in its name by the domain and version of its manifest.
func (j *jar) named() []coordinates {
	stem := strings.TrimSuffix(path.Base(j.name), path.Ext(j.name))
	for _, m := range j.manifests {
		c := coordinates{m.domain(stem), stem, m.version()}
		if c.whole() && c.version[0] >= '0' && c.version[0] <= '9' {
			return []coordinates{c}
		}
	}
	return nil
}

func mavenPackage(c coordinates) plimsoll.Package {
	return convert(&extractor.Package{
		Name: c.group + ":" + c.artifact, Version: c.version, PURLType: purl.TypeMaven,
		Metadata: &archivemeta.Metadata{GroupID: c.group, ArtifactID: c.artifact},
	})
}
