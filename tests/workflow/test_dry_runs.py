"""The whole graph of every preset, without running a job."""

import re

import pytest
import yaml

from strainprint.config import checked_config, read_schema
from strainprint.report.experiments import SHOWN
from strainprint.workflow import shard_names, subset_names

RULES = {
    *("simulate", "measure", "manifest", "crop", "split", "train", "infer", "ensemble"),
    *(
        "calibrate",
        "gather_calibrations",
        "correlate",
        "forest",
        "neighbours",
        "strengths",
        "predictor",
        "explain",
        "drawings",
        "tables",
        "figures",
        "page",
    ),
}

EXTERNAL = {"ingest", "classify", "crop_layer", "fit_stacks", "judge_stacks"}
EXPERIMENTS = {
    *("split_leaving_out", "leave_out", "draw_split", "judge_draws", "judge_noise"),
    *("compare_models", "instrument", "fit_channels", "fit_hybrid", "regress_strain"),
    "twins",
}
CALIBRATION = {"trial_measure", "trial_judge", "trial_compare", "trial_draw"}


def merge(base, overlay):
    for key, value in overlay.items():
        base[key] = merge(base.get(key, {}), value) if isinstance(value, dict) else value
    return base


@pytest.mark.parametrize("preset", ["config", "smoke", "paper"])
def test_every_rule_runs_as_often_as_the_config_says(project, preset):
    read = lambda name: yaml.safe_load((project.root / f"config/{name}.yaml").read_text())  # noqa: E731
    schema = read_schema(project.root / "workflow/schemas/config.schema.yaml")
    config = checked_config(merge(read("config"), read(preset)), schema)
    shards = len(subset_names(config)) * len(shard_names(config))
    run = {key: len(value) for key, value in config["run"].items()}
    datasets = run["studies"] * run["splits"]
    trainings = datasets * run["networks"] * run["seeds"]

    # Experiments each have a test of their own.
    assert project.plan("--config", "experiments=[]", config=preset) == {
        "simulate": shards,
        "measure": shards * run["studies"],
        **dict.fromkeys(["manifest", "crop", "correlate"], run["studies"]),
        **dict.fromkeys(["train", "infer"], trainings),
        **dict.fromkeys(
            [
                "split",
                "forest",
                "ensemble",
                "calibrate",
                "neighbours",
                "predictor",
                "tables",
                "figures",
            ],
            datasets,
        ),
        **dict.fromkeys(["gather_calibrations", "strengths", "drawings", "page"], 1),
        "explain": run["studies"] * len(config["report"]["explained_splits"]),
    }


def test_smoke_exercises_every_rule(project):
    assert set(project.plan()) == RULES


def test_the_papers_data_set_is_a_small_graph(project):
    assert project.plan(config="paper").total() < 300


def test_every_rule_has_a_script_of_its_name_and_nothing_else_is_there(project):
    scripts = {path.stem for path in (project.root / "workflow/scripts").glob("*.py")}
    assert scripts == {"verify"} | RULES | CALIBRATION | EXTERNAL | EXPERIMENTS


def test_peoples_maps_are_read_once_and_classified_for_every_study_and_split(project):
    (project.workdir / "map.txt").write_text("")
    (project.workdir / "mine.csv").write_text("file,prior_strain\nmap.txt,0.01\n")
    plain = project.plan()
    with_maps = project.plan("--config", "maps={'external': 'mine.csv'}")
    assert with_maps == {**plain, "ingest": 1, "classify": 2}
    assert with_maps["train"] == plain["train"]


STACKS = (
    "file,specimen,prior_strain,use,stack,layer\n"
    "map.txt,a,0.01,train,s,1\nmap.txt,a,0.01,train,s,2\nmap.txt,a,0.01,train,s,3\n"
)


def test_peoples_stacks_train_networks_of_their_own_and_no_others(project):
    (project.workdir / "map.txt").write_text("")
    (project.workdir / "mine.csv").write_text(STACKS)
    asked = ("--config", "maps={'external': 'mine.csv'}")
    plain = project.plan()
    unknown = {"ingest": 1, "crop_layer": 3, "fit_stacks": 2}  # the stack, and layer 1 alone
    assert project.plan(*asked) == {**plain, **unknown}
    tests = STACKS + "".join(f"map.txt,b,0.1,,t,{layer}\n" for layer in (1, 2, 3))
    (project.workdir / "mine.csv").write_text(tests)
    assert project.plan("experiments", *asked) == {**unknown, "judge_stacks": 1, "experiments": 1}
    overlay = project.root / "config/alone.yaml"
    overlay.write_text("experiment_settings: {stacks_alone: [1, 2, 3]}")
    alone = project.plan("experiments", *asked, "--configfile", str(overlay), config="config")
    assert alone["fit_stacks"] == 4
    overlay.write_text("experiment_settings: {stacks_alone: [4]}")
    run = project.snakemake(*("--dry-run", *asked, "--configfile", str(overlay)), config="config")
    assert run.returncode == 1
    assert "stacks_alone names layer 4" in run.stdout + run.stderr


def test_a_table_of_maps_that_leads_away_stops_before_the_first_job(project):
    (project.workdir / "mine.csv").write_text("file\n../secret.txt\n")
    run = project.snakemake("--dry-run", "--config", "maps={'external': 'mine.csv'}")
    assert run.returncode == 1
    assert "'../secret.txt' leads out of the table's folder" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_every_experiment_of_the_schema_can_be_asked_for_and_is_shown(project):
    schema = read_schema(project.root / "workflow/schemas/config.schema.yaml")
    names = schema["properties"]["experiments"]["items"]["enum"]
    # The calibration is always made, stacks where the table of people's maps has such.
    assert {*names, "calibration", "stacks"} == set(SHOWN)
    overlay = yaml.safe_load((project.root / "config/experiments.yaml").read_text())
    assert overlay["experiments"] == names


def test_experiments_train_what_they_need_and_no_more(project):
    plain = project.plan("--config", "experiments=[]", config="config")
    names = "[noise,leave_out,seeds,ensembles,crop_filter,channels,hybrid,regression]"
    asked = project.plan("--config", f"experiments={names}", config="config")
    # Without each of two widths and two numbers of slip systems; 5 splits, 3 networks, 3 seeds.
    left_out, drawn, noisy, filtered = 4, 5 * 3 * 3, 1, 1
    assert asked - plain == {
        "split_leaving_out": left_out,
        "draw_split": 5,
        "train": 2,  # seeds 1 and 2 of the lead network
        "infer": 2,
        "train_variant": left_out + drawn + noisy + filtered,
        "infer_variant": left_out + drawn + filtered,
        "compare_models": 4,
        **dict.fromkeys(["fit_channels", "fit_hybrid", "regress_strain"], 1),
        "crop_channel": 3,
        **dict.fromkeys(["simulate_ladder", "measure_ladder"], 4 * 3),  # six specimens a subset
        **dict.fromkeys(["manifest_ladder", "crop_ladder", "split_ladder"], 1),
        **dict.fromkeys(["leave_out", "judge_draws", "judge_noise"], 1),
    }


def test_each_instrument_is_a_study_of_its_own_for_the_lead_network(project):
    (project.root / "config/seen.yaml").write_text(
        "experiments: [instrument]\n"
        "maps: {instruments: {coarse: {subset_px: 5, step_px: 2, window_points: 3}}}\n"
    )
    plain = project.plan("--config", "experiments=[]", config="config")
    asked = project.plan("--configfile", "config/seen.yaml", config="config")
    assert asked - plain == {
        "measure": plain["simulate"],
        **dict.fromkeys(["manifest", "crop", "split", "train", "infer", "instrument"], 1),
    }


def test_twins_are_simulated_for_the_first_shards_of_each_subset(project):
    plain = project.plan("--config", "experiments=[]", config="config")
    asked = project.plan(config="config")
    # The default's one experiment: six of each of four subsets, two in a shard; the strict study
    # alone.
    assert asked - plain == {"simulate_twin": 12, "measure_twin": 12, "twins": 1}


def test_experiments_run_without_the_report(project):
    plan = project.plan("experiments", "--config", "experiments=[leave_out]", config="config")
    assert plan["leave_out"] == 1
    assert plan["train"] == 1
    assert not set(plan) & {"tables", "figures", "page"}


def test_the_calibration_is_a_target_of_its_own(project):
    counts = project.plan("calibration", config="config")
    sweep = yaml.safe_load((project.root / "config/calibration.yaml").read_text())
    shards = sum(
        sample["specimens"] // sweep["per_shard"]
        for one in sweep["sets"].values()
        for sample in one["samples"]
    )
    assert counts.pop("calibration") == 1
    assert counts == {
        "trial_simulate": shards,
        **dict.fromkeys(["trial_measure", "trial_judge"], len(sweep["sets"])),
        **dict.fromkeys(["trial_compare", "trial_draw"], 1),
    }


def test_a_bad_sweep_stops_before_the_first_job_with_a_short_error(project):
    project.edit("config/calibration.yaml", "per_shard: 8", "per_shards: 8")
    run = project.snakemake("calibration", config="config")
    assert run.returncode == 1
    assert "per_shards: unknown key" in run.stderr
    assert "Traceback" not in run.stderr


def test_every_rule_has_log_benchmark_threads_memory_runtime_code_and_environment(project):
    for file in (project.root / "workflow/rules").glob("*.smk"):
        for name, body in re.findall(
            r"^rule (\w+):\n(.*?)(?=^\S|\Z)", file.read_text(), re.MULTILINE | re.DOTALL
        ):
            for words in (
                f'log_path("{name}"',
                f'benchmark_path("{name}"',
                f'code=code("{name}")',
                "threads:",
                "mem_mb=",
                "runtime=",
                "conda:",
                f'"../scripts/{name}.py"',
            ):
                # A benchmark is a file, and a rule that has made its files does not run again.
                if name == "verify" and words.startswith("benchmark"):
                    continue
                # Every training asks for the same, said once in the library.
                if words in ("mem_mb=", "runtime=") and "**training_resources(config)" in body:
                    continue
                assert words in body, f"rule {name} in {file.name} lacks {words}"


def test_every_rule_file_opens_with_what_its_rules_do(project):
    for file in (project.root / "workflow/rules").glob("*.smk"):
        text = file.read_text()
        docstring = text.split('"""')[1]
        for name in re.findall(r"^rule (\w+):", text, re.MULTILINE):
            assert re.search(rf"^{name}\s", docstring, re.MULTILINE), f"{file.name}: {name}"


def test_it_runs_from_another_folder(project, tmp_path):
    away = tmp_path / "away"
    away.mkdir()
    run = project.snakemake(
        "--dry-run", "--snakefile", str(project.root / "Snakefile"), config="config"
    )
    assert run.returncode == 0, run.stderr


def test_trainings_ask_for_a_gpu_only_where_the_profile_grants_one(project):
    on_cpu = project.snakemake("--dry-run").stdout
    on_gpu = project.snakemake("--dry-run", "--workflow-profile", "profiles/gpu").stdout
    assert "gpu=0" in on_cpu
    assert "gpu=1" not in on_cpu
    assert "gpu=1" in on_gpu


def test_a_machine_without_a_gpu_grants_none_to_any_rule(project):
    rules = "".join(file.read_text() for file in (project.root / "workflow/rules").glob("*.smk"))
    bodies = re.split(r"^(?=(?:use )?rule )", rules, flags=re.MULTILINE)
    asking = {
        re.match(r"rule (\w+)", body)[1]
        for body in bodies
        if "gpu=1" in body or "**training_resources(config)" in body
    }
    heirs = re.findall(r"^use rule (\w+) as (\w+) with:", rules, re.MULTILINE)
    asking |= {heir for parent, heir in heirs if parent in asking}
    profile = yaml.safe_load((project.root / "profiles/default/profile.v9+.yaml").read_text())
    assert {"train", "train_variant"} < asking
    assert asking == {
        rule for rule, set_to in profile["set-resources"].items() if set_to["gpu"] == 0
    }


@pytest.mark.parametrize("more", [[], ["--resources", "gpu=4"]])
def test_a_machine_with_gpus_runs_the_same_jobs(project, more):
    assert project.plan("--workflow-profile", "profiles/gpu", *more) == project.plan()


def test_every_later_attempt_asks_for_more_memory_and_time(project):
    # job by job: snakemake prints jobs that wait for the same files in any order
    job = re.compile(r"output: (.+)\n(?:.+\n)*? +resources: .*runtime=(\d+), mem_mb=(\d+)")

    def asked(attempt):
        stdout = project.snakemake("--dry-run", "--attempt", str(attempt)).stdout
        return {
            output: (int(runtime), int(mem_mb)) for output, runtime, mem_mb in job.findall(stdout)
        }

    once = asked(1)
    assert len(once) > 20
    assert asked(3) == {made: (3 * runtime, 3 * mem_mb) for made, (runtime, mem_mb) in once.items()}


def test_profiles_agree_but_for_the_machine(project):
    profiles = {
        name: yaml.safe_load((project.root / f"profiles/{name}/profile.v9+.yaml").read_text())
        for name in ("default", "gpu", "slurm")
    }
    for key in ("rerun-incomplete", "rerun-triggers", "show-failed-logs", "keep-going"):
        assert len({str(profile[key]) for profile in profiles.values()}) == 1, key


def test_lint_finds_nothing(project):
    run = project.snakemake("--lint", config="config")
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("overlay", "says"),
    [
        ("specimens: {per_subsets: 12}", ["specimens.per_subsets", "'per_subset'?"]),
        ("dataset: {crop_px: 3}", ["dataset.crop_px", "the value 3", ">= 32"]),
        ("run: {networks: [resnet]}", ["run.networks[0]", "'resnet'", "proposed"]),
        ("seed: 1\nseed: 2", ["WorkflowError", "the key seed stands in lines 1 and 2"]),
    ],
)
def test_a_bad_config_stops_before_the_first_job_with_a_short_error(project, overlay, says):
    (project.root / "config/bad.yaml").write_text(overlay)
    run = project.snakemake(config="bad")
    assert run.returncode == 1
    for words in says:
        assert words in run.stderr
    message = run.stderr[run.stderr.index("Error") :]
    assert len(message.splitlines()) < 12
    assert "Traceback" not in run.stderr
    assert not (project.workdir / "results").exists()
