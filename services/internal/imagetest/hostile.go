package imagetest

import "strings"

// The outcomes that a reader of hostile input owes. Whatever it is, the reader lives, its memory stays bounded, and what
// was not read is said.
const (
	WantOK        = "ok"         // handled like any other
	WantPartial   = "partial"    // read as far as it goes, with a reason
	WantOKPartial = "ok|partial" // either
	WantRefused   = "refused"    // nothing of it is believed: failed, or partial with nothing read, with a reason
	WantNoImage   = "no image"   // of whole images: something else than an image, told as such
)

// Case is one hostile layer.
type Case struct {
	Name string // begins with the row of the catalogue of hostile inputs: "H5 self loop"
	Want string // of [Hostile]: for the layer's entries; of [HostileContent]: for its packages; of [HostileText]: for its secrets
	// Below is an honest layer's tar under it, where the case needs one; nil otherwise.
	Below     []byte
	Layer     []byte // as a registry would store it
	MediaType string // what its manifest claims
	// Holds are packages in its honest parts, "name version": they must be found although their neighbours are hostile.
	Holds []string
}

// Row is the row of the catalogue: "H5".
func (c Case) Row() string { return rowOf(c.Name) }

func rowOf(name string) string {
	row, _, _ := strings.Cut(name, " ")
	return row
}

const (
	gzipType  = "application/vnd.oci.image.layer.v1.tar+gzip"
	zstdType  = "application/vnd.oci.image.layer.v1.tar+zstd"
	plainType = "application/vnd.oci.image.layer.v1.tar"
)

// Marker is a file that most cases hold beside their trap, so that a test can see whether reading went on: its path and body.
const Marker, MarkerBody = "etc/marker", "still here\n"

func marker() File { return Text(Marker, MarkerBody) }

func tarCase(name, want string, files ...File) Case {
	return Case{Name: name, Want: want, Layer: Layer(append(files, marker())...), MediaType: plainType}
}

func rawCase(name, want, mediaType string, layer []byte) Case {
	return Case{Name: name, Want: want, Layer: layer, MediaType: mediaType}
}

// over puts a case on a layer below.
func (c Case) over(files ...File) Case {
	c.Below = Layer(files...)
	return c
}

// holds says what must be found.
func (c Case) holds(packages ...string) Case {
	c.Holds = packages
	return c
}

// Hostile makes the layers of rows H1 to H18 in small form, sizes that a unit test can afford with the same shape as the
// large ones, and H19's. It takes some hundred milliseconds.
func Hostile() []Case {
	return gather(hostileNames, hostileLinks, hostileWhiteouts, hostileEntries, hostileHeaders, hostileEnds, hostileCounts, hostileGzip, hostileZstd)
}

// HostileContent makes layers that are sound tars with hostile package files in them: rows H37 to H44 and H52.
func HostileContent() []Case {
	return gather(hostileDpkg, hostileRPM, hostileAPK, hostileJars, hostileJarFields, hostileELF, hostileGoInfo, hostilePrograms,
		hostileJSON, hostileManifests, hostileVersions, hostileWords, hostileReleases)
}

// HostileText makes layers with files that are hard on searchers of secrets: row H47.
func HostileText() []Case { return gather(hostileSecrets) }

func gather(groups ...func() []Case) (all []Case) {
	for _, group := range groups {
		all = append(all, group()...)
	}
	return all
}
