package imagetest

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Specimen is one hostile image, as a registry would hold it.
type Specimen struct {
	Name string // begins with its row: "H20 layer with a flipped bit"
	Want string // what a scan of it owes, for the analyser named
	// Analyzer is the one whose coverage Want speaks of; empty: that of the whole image.
	Analyzer string
	// Holds are packages in its honest parts, "name version".
	Holds []string
	write func(l *layoutWriter) document
}

// Row is the row of the catalogue.
func (s Specimen) Row() string { return rowOf(s.Name) }

// Slug is the name as a folder or a tag: lower case, and of every run of other characters one dash.
func (s Specimen) Slug() string {
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(s.Name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			b.WriteRune(r)
			dash = false
			continue
		}
		dash = true
	}
	return b.String()
}

// Specimens makes the whole corpus in small form: the layers of [Hostile], [HostileContent] and [HostileText] as images, and images
// whose manifests, indexes and configurations are hostile (rows H20 to H30 and H45, as far as a stored image can be it).
func Specimens() []Specimen {
	var all []Specimen
	add := func(analyzer string, cases []Case) {
		for _, c := range cases {
			all = append(all, c.specimen(analyzer))
		}
	}
	add("tree", Hostile())
	add("packages", HostileContent())
	add("secrets", HostileText())
	for _, group := range []func() []Specimen{hostileBlobs, hostileConfigs, hostileDigests, hostileDocuments, hostileIndexes, hostileWordsOfConfigs} {
		all = append(all, group()...)
	}
	return all
}

// specimen is an image of the case's layers with an honest configuration.
func (c Case) specimen(analyzer string) Specimen {
	return Specimen{Name: c.Name, Want: c.Want, Analyzer: analyzer, Holds: c.Holds, write: func(l *layoutWriter) document {
		var layers []layerBlob
		if c.Below != nil {
			layers = append(layers, layerBlob{b: c.Below, mediaType: plainType})
		}
		return l.image(append(layers, layerBlob{b: c.Layer, mediaType: c.MediaType})...)
	}}
}

// plainHash is the diff ID of a stored layer, where the standard readers inflate it; else the hash of what is stored: then nobody can
// tell what an honest one would be.
func plainHash(b []byte) string {
	if r, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
		if h, err := hashOf(r); err == nil {
			return h
		}
	}
	if d, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderMaxWindow(8<<20)); err == nil {
		defer d.Close()
		if h, err := hashOf(d); err == nil && len(b) > 0 {
			return h
		}
	}
	return digestOf(b)
}

func hashOf(r io.Reader) (string, error) {
	h := newHash()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return h.digest(), nil
}
