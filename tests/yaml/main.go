// kwo-test-readers says whether an edit of a YAML text has changed only what it was to change, to the readers that k3s,
// Helm and kubectl have. One JSON line in, one JSON line out, until the input ends.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"

	yaml2 "go.yaml.in/yaml/v2"
	yaml3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// asked is one edit: the texts before and after it, the place, the value that is wanted there, and what kwo reads in
// the text before.
type asked struct {
	Before string          `json:"before"`
	After  string          `json:"after"`
	Tokens []string        `json:"tokens"`
	Wanted json.RawMessage `json:"wanted"`
	Read   json.RawMessage `json:"read"`
	Values string          `json:"values"`
}

// answer says which readers could read the text before, and what is wrong.
type answer struct {
	Readers []string `json:"readers"`
	Wrong   []string `json:"wrong"`
	Output  string   `json:"output,omitempty"`
}

var readers = map[string]func(string) (any, error){
	"yaml.v2": func(text string) (any, error) {
		var value any
		err := yaml2.Unmarshal([]byte(text), &value)
		return plain(value), err
	},
	"yaml.v3": func(text string) (any, error) {
		var value any
		err := yaml3.Unmarshal([]byte(text), &value)
		return plain(value), err
	},
	"sigs.k8s.io/yaml": func(text string) (any, error) {
		var value any
		err := yaml.Unmarshal([]byte(text), &value)
		return plain(value), err
	},
}

// plain is a value with texts for keys and one type for numbers that are whole.
func plain(value any) any {
	switch value := value.(type) {
	case map[any]any:
		made := map[string]any{}
		for key, below := range value {
			made[fmt.Sprint(key)] = plain(below)
		}
		return made
	case map[string]any:
		made := map[string]any{}
		for key, below := range value {
			made[key] = plain(below)
		}
		return made
	case []any:
		made := make([]any, len(value))
		for at, below := range value {
			made[at] = plain(below)
		}
		return made
	case int:
		return "number " + strconv.Itoa(value)
	case int64:
		return "number " + strconv.FormatInt(value, 10)
	case uint64:
		return "number " + strconv.FormatUint(value, 10)
	case float64:
		if value == float64(int64(value)) {
			return "number " + strconv.FormatInt(int64(value), 10)
		}
		return "number " + strconv.FormatFloat(value, 'g', -1, 64)
	case string:
		return "text " + value
	case nil, bool:
		return value
	default:
		return fmt.Sprintf("%T %v", value, value)
	}
}

// with is the value with the wanted one at a place.
func with(value any, tokens []string, wanted any) (any, error) {
	if len(tokens) == 0 {
		return wanted, nil
	}
	token, rest := tokens[0], tokens[1:]
	switch value := value.(type) {
	case nil:
		below, err := with(nil, rest, wanted)
		if token == "-" {
			return []any{below}, err
		}
		return map[string]any{token: below}, err
	case map[string]any:
		made := map[string]any{}
		for key, below := range value {
			made[key] = below
		}
		below, err := with(made[token], rest, wanted)
		made[token] = below
		return made, err
	case []any:
		made := append([]any{}, value...)
		if token == "-" {
			return append(made, wanted), nil
		}
		at, err := strconv.Atoi(token)
		if err != nil || at >= len(made) {
			return nil, fmt.Errorf("no entry %s", token)
		}
		made[at], err = with(made[at], rest, wanted)
		return made, err
	default:
		if token == "-" {
			return []any{value, wanted}, nil
		}
		return nil, fmt.Errorf("%v is a single value", value)
	}
}

func judge(asked asked) answer {
	said := answer{Readers: []string{}, Wrong: []string{}}
	var wanted, own any
	decode := func(text json.RawMessage, into *any) {
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		if err := decoder.Decode(into); err != nil {
			said.Wrong = append(said.Wrong, err.Error())
		}
		*into = plain(*into)
	}
	decode(asked.Wanted, &wanted)
	decode(asked.Read, &own)
	names := []string{}
	for name := range readers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		before, err := readers[name](asked.Before)
		if err != nil {
			continue
		}
		said.Readers = append(said.Readers, name)
		wrong := func(why any) { said.Wrong = append(said.Wrong, fmt.Sprintf("%s: %v", name, why)) }
		if name == "sigs.k8s.io/yaml" && !reflect.DeepEqual(before, own) {
			wrong(fmt.Sprintf("kwo reads %v, it reads %v", own, before))
		}
		after, err := readers[name](asked.After)
		if err != nil {
			wrong(err)
			continue
		}
		right, err := with(before, asked.Tokens, wanted)
		if err != nil {
			wrong(err)
		} else if !reflect.DeepEqual(right, after) {
			wrong(fmt.Sprintf("%v is wanted, it reads %v", right, after))
		}
	}
	return said
}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var request asked
		if err := json.Unmarshal(line, &request); err != nil {
			panic(err)
		}
		said := answer{Readers: []string{"helm"}, Wrong: []string{}}
		if request.Values == "" {
			said = judge(request)
		} else if said.Output, err = render(request.Values); err != nil {
			said.Wrong = append(said.Wrong, err.Error())
		}
		if err := out.Encode(said); err != nil {
			panic(err)
		}
	}
}
