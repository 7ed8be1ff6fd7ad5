package analyze

import (
	"testing"
)

func TestInstalled(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ path, body, want, purl, ecosystem string }{
		"Composer 2": {"srv/vendor/composer/installed.json", `{"packages":[{"name":"monolog/monolog","version":"2.9.1"}],"dev":false}`,
			"php/composerinstalled [monolog/monolog 2.9.1]", "pkg:composer/monolog/monolog@2.9.1", "Packagist"},
		"Composer 1": {"vendor/composer/installed.json", `[{"name":"a/b","version":"v1.0"}]`,
			"php/composerinstalled [a/b v1.0]", "pkg:composer/a/b@v1.0", "Packagist"},
		"Composer, a package without a version": {"srv/vendor/composer/installed.json", `{"packages":[{"name":"a/b"},{"name":"c/d","version":"1"}]}`,
			"php/composerinstalled [c/d 1] php/composerinstalled: malformed record", "pkg:composer/c/d@1", "Packagist"},
		"Composer, no JSON":        {"srv/vendor/composer/installed.json", `{"packages":`, "php/composerinstalled [] php/composerinstalled: broken file", "", ""},
		"Composer, no list":        {"srv/vendor/composer/installed.json", `{"dev":false}`, "php/composerinstalled [] php/composerinstalled: broken file", "", ""},
		"Composer, null":           {"srv/vendor/composer/installed.json", `null`, "php/composerinstalled [] php/composerinstalled: broken file", "", ""},
		"Composer, no packages":    {"srv/vendor/composer/installed.json", `{"packages":[]}`, "", "", ""},
		"another's installed.json": {"srv/myvendor/composer/installed.json", `{"packages":[{"name":"a/b","version":"1"}]}`, "", "", ""},

		"Conda": {"opt/conda/conda-meta/openssl-3.0.15-h5eee18b_0.json", `{"name":"openssl","version":"3.0.15","subdir":"linux-64","build":"h5eee18b_0"}`,
			"conda/meta [openssl 3.0.15]", "pkg:conda/openssl@3.0.15?subdir=linux-64", "Conda"},
		"Conda, no name": {"opt/conda/conda-meta/x.json", "{}", "conda/meta [] conda/meta: malformed record", "", ""},

		"pacman": {"var/lib/pacman/local/libidn2-2.3.7-1/desc", "%NAME%\nlibidn2\n\n%VERSION%\n1:2.3.7-1\n\n%BASE%\nidn\n\n%ARCH%\nx86_64\n\n%DEPENDS%\na\nb\n",
			"os/pacman [libidn2 1:2.3.7-1 of idn]", "pkg:alpm/arch/libidn2@1:2.3.7-1?arch=x86_64", "Arch Linux"},
		"pacman, many fields": {"var/lib/pacman/local/x-1/desc", "%NAME%\nx\nand another line\n%FIELD%\n%NAME%\n\n%VERSION%\n1\n",
			"os/pacman [x 1]", "pkg:alpm/arch/x@1", "Arch Linux"},
		"pacman, cut short": {"var/lib/pacman/local/x-1/desc", "%NAME%\nx\n\n%VERSION%", "os/pacman [] os/pacman: malformed record", "", ""},

		"Portage": {"var/db/pkg/dev-libs/openssl-3.0.9-r1/PF", "openssl-3.0.9-r1\n",
			"os/portage [dev-libs/openssl 3.0.9-r1]", "pkg:ebuild/dev-libs/openssl@3.0.9-r1", "Gentoo"},
		"Portage, a name with numbers": {"var/db/pkg/x11-libs/gtk+-2.24.33_p1/PF", "gtk+-2.24.33_p1\n", "os/portage [x11-libs/gtk+ 2.24.33_p1]", "pkg:ebuild/x11-libs/gtk%2B@2.24.33_p1", "Gentoo"},
		"Portage, broken":              {"var/db/pkg/dev-libs/x/PF", "nothing\n", "os/portage [] os/portage: malformed record", "", ""},

		"npm package of Debian":         {"usr/share/nodejs/@types/node/package.json", `{"name":"@types/node","version":"18.18.14"}`, "javascript/packagejson [@types/node 18.18.14]", "pkg:npm/%40types/node@18.18.14", "npm"},
		"npm package of Debian, one up": {"usr/share/nodejs/acorn/package.json", `{"name":"acorn","version":"8.8.1"}`, "javascript/packagejson [acorn 8.8.1]", "pkg:npm/acorn@8.8.1", "npm"},
		"a file within one":             {"usr/share/nodejs/acorn/dist/package.json", `{"name":"x","version":"1.0.0"}`, "", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			facts := analyzed(t, given{path: tt.path, body: []byte(tt.body), mode: 0o644})
			got := ""
			for _, s := range facts.Sources {
				got += brief(s)
				for _, p := range s.Packages {
					if p.PURL != tt.purl || p.Ecosystem != tt.ecosystem {
						t.Errorf("got %s in %s, want %s in %s", p.PURL, p.Ecosystem, tt.purl, tt.ecosystem)
					}
				}
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// FuzzInstalled: no bytes make a reader crash, and what gives nothing says why.
func FuzzInstalled(f *testing.F) {
	for _, s := range []string{`{"packages":[{"name":"a/b","version":"1"}]}`, `[{}]`, `{"name":"a","version":"1"}`, "%NAME%\na\n%VERSION%\n1\n", "a-1.0_rc1-r2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range installedReaders() {
			if found, reason := r.read(t.Context(), jarFile("var/db/pkg/a/b/PF", b)); len(found) == 0 && reason == "" && r.name != NameComposer {
				t.Errorf("%s: nothing, and no reason", r.name)
			}
		}
	})
}
