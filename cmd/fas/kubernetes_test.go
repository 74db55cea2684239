package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// manifest is an object of Kubernetes, as far as the test reads it.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Replicas    int
		ServiceName string `yaml:"serviceName"`
		Selector    struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Containers []struct {
					Name, Image  string
					Args         []string
					VolumeMounts []struct{ Name, MountPath string } `yaml:"volumeMounts"`
				}
				Volumes []struct{ Name string }
			}
		}
		VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
	}
}

// The objects in the documentation are YAML, belong together, and use commands and flags that exist.
func TestKubernetesManifest(t *testing.T) {
	text, err := os.ReadFile("../../docs/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```yaml\n")
	block, _, closed := strings.Cut(rest, "```\n")
	if !ok || !closed {
		t.Fatal("there is no manifest")
	}
	var all []manifest
	for d := yaml.NewDecoder(bytes.NewReader([]byte(block))); ; {
		var one manifest
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	var kinds, services []string
	for _, one := range all {
		kinds = append(kinds, one.Kind)
		if one.Kind == "Service" {
			services = append(services, one.Metadata.Name)
		}
	}
	if want := "Service StatefulSet PodDisruptionBudget Job Service Service StatefulSet PodDisruptionBudget"; strings.Join(kinds, " ") != want {
		t.Errorf("got %v", kinds)
	}
	commands := map[string]bool{}
	for _, one := range all {
		spec := one.Spec.Template.Spec
		if one.Kind == "StatefulSet" {
			if one.Spec.Replicas != 3 || !slices.Contains(services, one.Spec.ServiceName) || one.Spec.Template.Metadata.Labels["app"] != one.Spec.Selector.MatchLabels["app"] {
				t.Errorf("%s does not fit together: %+v", one.Metadata.Name, one.Spec)
			}
		}
		var volumes []string
		for _, v := range spec.Volumes {
			volumes = append(volumes, v.Name)
		}
		for _, v := range one.Spec.VolumeClaimTemplates {
			volumes = append(volumes, v.Metadata.Name)
		}
		for _, c := range spec.Containers {
			for _, m := range c.VolumeMounts {
				if !slices.Contains(volumes, m.Name) {
					t.Errorf("%s mounts %s, which is not there", c.Name, m.Name)
				}
			}
			words := strings.ReplaceAll(strings.Join(c.Args, "\n"), "$(POD)", one.Metadata.Name+"-0")
			cmd, flags, err := newRoot(&app{}).Find(strings.Split(words, "\n"))
			if err == nil {
				err = cmd.ParseFlags(flags)
			}
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
				continue
			}
			if left := cmd.Flags().Args(); len(left) > 0 {
				t.Errorf("%s: %v are not flags", c.Name, left)
			}
			commands[cmd.CommandPath()] = true
		}
	}
	for _, want := range []string{"fas engine", "fas serve", "fas cluster init"} {
		if !commands[want] {
			t.Errorf("no container runs %s", want)
		}
	}
}
