"""Who can reach a key, who can call whom, and what outside words can set off."""

from tests.cloud.tree import Tree
from tools.plan import matrix
from tools.plan.graph import AGENTS, OUTSIDERS
from tools.plan.made import public

KEY_READERS = {"execute", "settle"}


def test_keys_when_anybody_can_read_one_then_only_execute_and_settle(tree: Tree) -> None:
    for graph in tree.graphs:
        assert graph.key_readers() == KEY_READERS


def test_secrets_when_the_row_says_read_or_add_then_the_account_can_and_nobody_else(
    tree: Tree,
) -> None:
    for graph in tree.graphs:
        for secret in graph.pipeline.secrets:
            for access, held in (
                ("read", graph.readers(secret)),
                ("add", graph.adders(secret)),
            ):
                wanted = {
                    name
                    for name, spec in graph.pipeline.functions.items()
                    if spec.secrets.get(secret) == access
                }
                assert {graph.called(each) for each in held} == wanted, (secret, access)


def test_topics_when_a_row_publishes_them_then_the_account_can_and_no_other_function(
    tree: Tree,
) -> None:
    for graph in tree.graphs:
        for name, spec in graph.pipeline.functions.items():
            assert graph.published_by(name) == set(spec.publishes), name
        for topic in graph.pipeline.topics:
            publishers = {graph.called(each) for each in graph.publishers(topic)}
            assert publishers <= set(graph.pipeline.functions), topic


def test_outside_words_when_nobody_answers_for_them_then_their_reader_can_cause_no_order(
    tree: Tree,
) -> None:
    for graph in tree.graphs:
        readers = graph.readers_of_outside(*OUTSIDERS)
        assert readers
        assert {name: graph.trades_directly(name) for name in readers} == {
            name: set() for name in readers
        }


def test_outside_words_when_they_lead_to_an_order_then_three_functions_judge_before(
    tree: Tree,
) -> None:
    for graph in tree.graphs:
        for name in graph.readers_of_outside(*OUTSIDERS):
            way = graph.order_path(name)
            assert way is not None
            judges = {step.target for step in way} & set(graph.accounts)
            assert judges >= {"decide", "route", "execute"}


def test_internal_functions_when_called_then_by_the_push_account_alone(tree: Tree) -> None:
    for graph in tree.graphs:
        internal = [name for name in graph.accounts if not public(graph.plan, name)]
        assert len(internal) > 1
        assert {name: graph.strangers(name) for name in internal} == {
            name: set() for name in internal
        }
        assert all(graph.push in graph.invokers(name) for name in internal)


def test_push_account_when_its_tokens_are_minted_then_by_googles_own_services(tree: Tree) -> None:
    for graph in tree.graphs:
        assert graph.minters(graph.push) == set(AGENTS)


def test_functions_when_their_tokens_are_minted_then_by_nobody(tree: Tree) -> None:
    for graph in tree.graphs:
        assert {name: graph.minters(email) for name, email in graph.accounts.items()} == {
            name: set() for name in graph.accounts
        }


def test_queues_when_filled_then_by_functions_that_deliver_later(tree: Tree) -> None:
    for graph in tree.graphs:
        functions = graph.pipeline.functions
        assert {name for name in functions if graph.delivered_by(name)} == {
            name for name, spec in functions.items() if spec.later
        }


def test_matrix_when_rendered_then_docs_iam_says_the_same(tree: Tree) -> None:
    written = (tree.root / matrix.IAM_FILE).read_text(encoding="utf-8")
    assert written == matrix.render(tree.prod)
