package deploy

import (
	"path/filepath"
	"regexp"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/plimsoll/plimsoll/services/internal/config"
)

// render builds one overlay and decodes every object; an unknown or doubled field fails.
func render(t *testing.T, overlay string) []runtime.Object {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("../../../../deploy/k8s/overlays", overlay))
	if err != nil {
		t.Fatal(err)
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatalf("kustomize build %s: %v", overlay, err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, policyv1.AddToScheme, networkingv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	var objects []runtime.Object
	for _, r := range built.Resources() {
		raw, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		o, _, err := strict.Decode(raw, nil, nil)
		if err != nil {
			t.Errorf("%s %s: %v", r.GetKind(), r.GetName(), err)
			continue
		}
		objects = append(objects, o)
	}
	return objects
}

// pods are the pod templates of the workloads by name.
func pods(objects []runtime.Object) map[string]corev1.PodSpec {
	all := map[string]corev1.PodSpec{}
	for _, o := range objects {
		switch w := o.(type) {
		case *appsv1.Deployment:
			all[w.Name] = w.Spec.Template.Spec
		case *appsv1.StatefulSet:
			all[w.Name] = w.Spec.Template.Spec
		}
	}
	return all
}

var byDigest = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

func TestPods(t *testing.T) {
	t.Parallel()
	for overlay, want := range map[string][]string{
		"all-in-one": {"plimsoll"},
		"external":   {"plimsoll-scheduler", "plimsoll-worker", "plimsoll-reporter"},
	} {
		t.Run(overlay, func(t *testing.T) {
			t.Parallel()
			got := pods(render(t, overlay))
			for _, name := range want {
				pod, ok := got[name]
				if !ok {
					t.Errorf("no workload %s", name)
					continue
				}
				checkPod(t, name, pod)
			}
		})
	}
}

func checkPod(t *testing.T, name string, pod corev1.PodSpec) {
	t.Helper()
	sc := pod.SecurityContext
	if sc == nil || sc.RunAsNonRoot == nil || !*sc.RunAsNonRoot || sc.SeccompProfile == nil {
		t.Errorf("%s: not held to non-root with a seccomp profile", name)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Errorf("%s: mounts a token it does not need", name)
	}
	for _, c := range pod.Containers {
		if !byDigest.MatchString(c.Image) {
			t.Errorf("%s: image %q is not named by digest", name, c.Image)
		}
		if c.LivenessProbe == nil || c.ReadinessProbe == nil {
			t.Errorf("%s: a probe is missing", name)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s: resources are missing", name)
		}
		cs := c.SecurityContext
		if cs == nil || cs.ReadOnlyRootFilesystem == nil || !*cs.ReadOnlyRootFilesystem || cs.AllowPrivilegeEscalation == nil || *cs.AllowPrivilegeEscalation ||
			cs.Capabilities == nil || len(cs.Capabilities.Drop) != 1 || cs.Capabilities.Drop[0] != "ALL" {
			t.Errorf("%s: the container is not locked down", name)
		}
	}
}

// TestDisruption: every workload has a budget that selects it.
func TestDisruption(t *testing.T) {
	t.Parallel()
	for _, overlay := range []string{"all-in-one", "external"} {
		objects := render(t, overlay)
		budgets := map[string]intstr.IntOrString{}
		for _, o := range objects {
			if b, ok := o.(*policyv1.PodDisruptionBudget); ok && b.Spec.MaxUnavailable != nil {
				budgets[b.Spec.Selector.MatchLabels["app.kubernetes.io/component"]] = *b.Spec.MaxUnavailable
			}
		}
		for _, o := range objects {
			var labels map[string]string
			switch w := o.(type) {
			case *appsv1.Deployment:
				labels = w.Spec.Template.Labels
			case *appsv1.StatefulSet:
				labels = w.Spec.Template.Labels
			default:
				continue
			}
			if _, ok := budgets[labels["app.kubernetes.io/component"]]; !ok {
				t.Errorf("%s: no disruption budget for %s", overlay, labels["app.kubernetes.io/component"])
			}
		}
	}
}

// TestConfig: the configuration that each overlay ships is one that the program accepts.
func TestConfig(t *testing.T) {
	t.Parallel()
	for _, overlay := range []string{"all-in-one", "external"} {
		if _, err := config.Read(filepath.Join("../../../../deploy/k8s/overlays", overlay, "config.yaml"), nil); err != nil {
			t.Errorf("%s: %v", overlay, err)
		}
	}
}
