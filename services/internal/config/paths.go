package config

import (
	"path/filepath"
	"slices"
	"strings"
)

// relativeTo makes the paths in f that are relative to dir usable from the working directory.
func (f File) relativeTo(dir string) File {
	paths := []*string{
		&f.Data, &f.TokensFile, &f.Bucket.SecretKeyFile, &f.Bucket.CAFile, &f.NATS.CredentialsFile, &f.NATS.CAFile, &f.NATS.CertFile, &f.NATS.KeyFile,
		&f.Temporal.APIKeyFile, &f.Temporal.CAFile, &f.Temporal.CertFile, &f.Temporal.KeyFile, &f.Reporter.Cache, &f.Reporter.BundleKey, &f.Reporter.EndOfLife,
		&f.Reporter.Owners,
	}
	if !namesPolicy(f.Reporter.Policy) {
		paths = append(paths, &f.Reporter.Policy)
	}
	for _, p := range []*string{&f.Reporter.Advisories, &f.Reporter.Enrichment.KEV, &f.Reporter.Enrichment.SSVC, &f.Reporter.Enrichment.EPSS} {
		if !isURL(*p) {
			paths = append(paths, p)
		}
	}
	f.Registries = slices.Clone(f.Registries)
	for i := range f.Registries {
		r := &f.Registries[i]
		paths = append(paths, &r.PasswordFile, &r.DockerConfig, &r.CAFile, &r.CertFile, &r.KeyFile, &r.Hook.SecretFile)
		if !isURL(r.Hook.Keys) {
			paths = append(paths, &r.Hook.Keys)
		}
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	return f
}

// namesPolicy says whether s is a policy that needs no file.
func namesPolicy(s string) bool { return s == "baseline" || s == "none" }

func isURL(s string) bool { return strings.Contains(s, "://") }
