package imagetest

import "strings"

// hostileDigests are H23: digests that are of another algorithm, or of none.
func hostileDigests() []Specimen {
	right := strings.TrimPrefix(digestOf(goodLayer()), "sha256:")
	var all []Specimen
	for _, d := range []struct{ name, digest string }{
		{"sha512", "sha512:" + repeat("a", 128)},
		{"md5", "md5:d41d8cd98f00b204e9800998ecf8427e"},
		{"upper case", "sha256:" + strings.ToUpper(right)},
		{"upper-case algorithm", "SHA256:" + right},
		{"too short", "sha256:" + right[:32]},
		{"too long", "sha256:" + right + right},
		{"a path", "sha256:../../../../../etc/passwd"},
		{"a path of the right length", "sha256:" + ("../../../../../../../etc/passwd" + repeat("/", 64))[:64]},
		{"none", ""},
		{"no algorithm", right},
		{"a line end behind it", "sha256:" + right + "\n"},
		{"a NUL within it", "sha256:" + right[:63] + "\x00"},
	} {
		all = append(all, Specimen{Name: "H23 layer's digest: " + d.name, Want: WantRefused, write: func(l *layoutWriter) document {
			layer := l.blob(plainType, goodLayer())
			return l.manifest(l.blob(configType, configuration(layer["digest"].(string)).bytes()), layer.with("digest", d.digest))
		}}, Specimen{Name: "H23 configuration's digest: " + d.name, Want: WantRefused, write: func(l *layoutWriter) document {
			layer := l.blob(plainType, goodLayer())
			config := l.blob(configType, configuration(layer["digest"].(string)).bytes())
			return l.manifest(config.with("digest", d.digest), layer)
		}}, Specimen{Name: "H23 child's digest: " + d.name, Want: WantRefused, write: func(l *layoutWriter) document {
			child := document{"mediaType": manifestType, "digest": d.digest, "size": 2, "platform": document{"os": "linux", "architecture": "s390x"}}
			return l.index(l.image(layerBlob{b: goodLayer(), mediaType: plainType}), child)
		}})
	}
	return all
}
