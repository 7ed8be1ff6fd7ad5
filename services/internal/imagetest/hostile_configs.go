package imagetest

// withConfig is an image of an honest layer with any bytes as its configuration.
func withConfig(name, want string, config func(layer string) []byte) Specimen {
	return Specimen{Name: name, Want: want, write: func(l *layoutWriter) document {
		layer := l.blob(plainType, goodLayer())
		return l.manifest(l.blob(configType, config(layer["digest"].(string))), layer)
	}}
}

func fixed(b string) func(string) []byte { return func(string) []byte { return []byte(b) } }

// hostileConfigs are H21 and H22.
func hostileConfigs() []Specimen {
	diffIDs := func(name, want string, ids ...string) Specimen {
		return withConfig("H22 "+name, want, func(layer string) []byte {
			for i := range ids {
				if ids[i] == "own" {
					ids[i] = layer
				}
			}
			return configuration(ids...).bytes()
		})
	}
	mismatch := Specimen{Name: "H21 configuration with a flipped bit", Want: WantRefused, write: func(l *layoutWriter) document {
		layer := l.blob(plainType, goodLayer())
		config := configuration(layer["digest"].(string)).with("author", "flipped").bytes()
		root := l.manifest(l.blob(configType, config), layer)
		l.claimed(digestOf(config), flipped(config))
		return root
	}}
	missing := Specimen{Name: "H21 configuration that is not there", Want: WantRefused, write: func(l *layoutWriter) document {
		return l.manifest(document{"mediaType": configType, "digest": digestOf([]byte("no configuration")), "size": 16}, l.blob(plainType, goodLayer()))
	}}
	famous := digestOf([]byte("the base that everybody has"))
	return append([]Specimen{
		mismatch, missing,
		withConfig("H21 configuration that is HTML", WantRefused, fixed("<html>500</html>")),
		withConfig("H21 configuration that is empty", WantRefused, fixed("")),
		withConfig("H21 configuration without fields", WantPartial, fixed("{}")),
		withConfig("H21 configuration that is null", WantPartial, fixed("null")),
		withConfig("H21 configuration that is an array", WantRefused, fixed("[]")),
		withConfig("H21 configuration of other types", WantRefused, fixed(`{"rootfs":"none","history":{"a":1}}`)),
		withConfig("H21 configuration a million levels deep", WantRefused, fixed(repeat(`{"a":`, 3<<20))),
		withConfig("H21 configuration of 5 MiB", WantRefused, fixed(`{"author":"`+repeat("x", 5<<20)+`"}`)),
		diffIDs("no diff ID for a layer", WantPartial),
		diffIDs("two diff IDs for a layer", WantPartial, "own", famous),
		diffIDs("diff ID of another layer", WantPartial, famous),
		diffIDs("diff ID of another algorithm", WantPartial, "sha512:"+repeat("a", 128)),
		diffIDs("diff ID that is a path", WantPartial, "sha256:../../x"),
	}, hostileArtifacts()...)
}

// hostileArtifacts are H21: manifests that are no images, and are told from them by their media types alone.
func hostileArtifacts() []Specimen {
	kind := func(name, config, layer string) Specimen {
		return Specimen{Name: "H21 " + name, Want: WantNoImage, write: func(l *layoutWriter) document {
			return l.manifest(l.blob(config, []byte("{}")), l.blob(layer, []byte(name)))
		}}
	}
	return []Specimen{
		kind("Helm chart", "application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
		kind("WebAssembly module", "application/vnd.wasm.config.v0+json", "application/wasm"),
		kind("SBOM", "application/vnd.oci.empty.v1+json", "application/spdx+json"),
		kind("signature", configType, "application/vnd.dev.cosign.simplesigning.v1+json"),
		kind("configuration of an unknown kind", "application/x-unknown", gzipType),
	}
}
