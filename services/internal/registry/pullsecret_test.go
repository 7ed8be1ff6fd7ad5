package registry

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
)

// TestPullSecrets has the forms in which Kubernetes mounts pull secrets, and entries as it allows them.
func TestPullSecrets(t *testing.T) {
	t.Parallel()
	auth := base64.StdEncoding.EncodeToString([]byte("user:pw"))
	entry := `{"auth":"` + auth + `"}`
	for name, tt := range map[string]struct{ file, text, want, fault string }{
		"pull secret":             {".dockerconfigjson", `{"auths":{"registry.corp.example":` + entry + `}}`, "user", ""},
		"old pull secret":         {".dockercfg", `{"registry.corp.example":{"username":"user","password":"pw","email":"x","auth":"` + auth + `"}}`, "user", ""},
		"Docker's own":            {"config.json", `{"auths":{"https://registry.corp.example/v2/":` + entry + `}}`, "user", ""},
		"a pattern":               {".dockerconfigjson", `{"auths":{"*.corp.example":` + entry + `}}`, "user", ""},
		"a pattern for another":   {".dockerconfigjson", `{"auths":{"*.example":` + entry + `}}`, "", ""},
		"a path":                  {".dockerconfigjson", `{"auths":{"registry.corp.example/team":` + entry + `}}`, "user", ""},
		"a path beside the whole": {".dockerconfigjson", `{"auths":{"registry.corp.example/team":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("team:pw")) + `"},"registry.corp.example":` + entry + `}}`, "user", ""},
		"two paths":               {".dockerconfigjson", `{"auths":{"registry.corp.example/a":` + entry + `,"registry.corp.example/b":` + entry + `}}`, "", "2 entries for parts"},
		"another file":            {"other", `{}`, "", "want one of"},
		"no JSON":                 {".dockercfg", `x`, "", "docker_config"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, tt.file), []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := newClient(plimsoll.Registry{ID: "test", URL: "https://registry.corp.example", DockerConfig: dir}, Options{}, quick())
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Account(t.Context())
		switch {
		case tt.fault == "" && (err != nil || got != tt.want):
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		case tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)):
			t.Errorf("%s: %v, want %q", name, err, tt.fault)
		}
	}
}
