"""The tools that run weekly: what they hold pip to, and what their table tells."""

from vae_course.quality import faults, versions


def test_the_lowest_versions_are_those_of_pyproject():
    found = versions.constraints("lowest")
    assert found["numpy"] == "2.1"
    assert found["torch"] == versions.pins()["torch"] == "2.13.0"
    assert found["pymilvus"] == "2.6"  # an extra's extra, pymilvus[milvus-lite]


def test_the_newest_versions_hold_torch_alone():
    assert set(versions.constraints("newest")) == {"torch", "torchvision"}


def test_the_table_counts_times_and_losses(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(
        "<testsuite>"
        '<testcase name="test_a_full_disk[0-saving]"/>'
        '<testcase name="test_a_full_disk[1-saving]"><failure/></testcase>'
        '<testcase name="test_a_broken_network[0]"><skipped/></testcase>'
        "</testsuite>"
    )
    lines = faults.table(report).splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["times", "lost"],
        ["a", "full", "disk", "saving", "2", "1"],
    ]
    assert "not possible on this machine" in lines[2]
