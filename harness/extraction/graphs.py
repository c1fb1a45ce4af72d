"""Results as one knowledge graph: GraphML, node-link JSON, and RDF in Turtle with Wikidata's properties."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.errors import ModelUnavailable
from harness.extraction.results import ExtractedDocument, ExtractedEntity
from harness.json_files import json_text

if TYPE_CHECKING:
    from harness.extraction.pipeline import Outcome

WIKIDATA = "http://www.wikidata.org/prop/direct/"
OWN = "urn:docre:"
"""What the names of entities, types and other relations begin with in RDF."""
# What XML cannot hold.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def normalised(name: str) -> str:
    """The name by which entities of several texts are one: case, spaces, dots and a leading article do not count."""
    words = re.sub(r"[\s.,]+", " ", name.casefold().replace("’", "'")).strip()
    return words.removeprefix("the ").removesuffix("'s") or name


@dataclass
class Graph:
    """Nodes and edges of all texts; with ``merge``, entities of the same type and normalised name are one node.

    An edge keeps the text, the evidence and the score that it came from.
    """

    merge: bool
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    edges: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def write(self, outcome: Outcome) -> None:
        document = outcome.extracted
        keys = [self._node(document, number, entity) for number, entity in enumerate(document.entities)]
        for one in document.relations:
            self.edges.append(
                (
                    keys[one.head],
                    keys[one.tail],
                    {
                        "relation": one.relation,
                        "name": one.name,
                        "score": one.score,
                        "document": document.title,
                        "evidence": document.evidence_text(one),
                    },
                )
            )

    def _node(self, document: ExtractedDocument, number: int, entity: ExtractedEntity) -> str:
        key = f"{entity.type}:{normalised(entity.name)}" if self.merge else f"{document.title}#{number}"
        node = self.nodes.setdefault(key, {"label": entity.name, "type": entity.type, "documents": [], "names": []})
        names = (mention.text for mention in entity.mentions)
        node["names"] += [name for name in dict.fromkeys(names) if name not in node["names"]]
        if node["documents"][-1:] != [document.title]:  # each text comes once
            node["documents"].append(document.title)
        return key

    def text(self) -> str:
        """The graph in the format of the subclass."""
        raise NotImplementedError


class GraphMl(Graph):
    """One edge a triplet; lists are joined by a bar, which GraphML has no other form for."""

    def text(self) -> str:
        networkx = _library("networkx", "GraphML")
        graph = networkx.MultiDiGraph()
        for key, node in self.nodes.items():
            graph.add_node(_xml(key), **{name: _xml(value) for name, value in node.items()})
        # networkx writes the key as the edge's id. GraphML wants it unique in the graph, not only between two nodes.
        for number, (head, tail, edge) in enumerate(self.edges):
            graph.add_edge(_xml(head), _xml(tail), number, **{name: _xml(value) for name, value in edge.items()})
        return "\n".join(networkx.generate_graphml(graph)) + "\n"


class NodeLink(Graph):
    """The JSON that networkx reads by ``node_link_graph`` and d3 draws."""

    def text(self) -> str:
        networkx = _library("networkx", "node-link JSON")
        graph = networkx.MultiDiGraph()
        for key, node in self.nodes.items():
            graph.add_node(key, **node)
        for head, tail, edge in self.edges:
            graph.add_edge(head, tail, **edge)
        return json_text(networkx.node_link_data(graph, edges="links"), ensure_ascii=False, indent=1) + "\n"


class Turtle(Graph):
    """A triple for each relation, and a statement about it with its score, text and evidence."""

    def text(self) -> str:
        rdflib = _library("rdflib", "Turtle")
        graph = rdflib.Graph()
        name, rdf, rdfs = rdflib.URIRef, rdflib.RDF, rdflib.RDFS
        own = rdflib.Namespace(OWN)
        graph.bind("wdt", rdflib.Namespace(WIKIDATA))
        graph.bind("docre", own)
        for key, node in self.nodes.items():
            subject = name(f"{OWN}entity:{quote(key, safe='')}")
            graph.add((subject, rdf.type, name(f"{OWN}type:{quote(node['type'], safe='')}")))
            graph.add((subject, rdfs.label, rdflib.Literal(node["label"])))
            for one in node["names"]:
                graph.add((subject, own.name, rdflib.Literal(one)))
        for number, (head, tail, edge) in enumerate(self.edges):
            subject, thing = (name(f"{OWN}entity:{quote(key, safe='')}") for key in (head, tail))
            relation = edge["relation"]
            is_property = re.fullmatch(r"P\d+", relation)
            predicate = name(WIKIDATA + relation if is_property else f"{OWN}relation:{quote(relation, safe='')}")
            graph.add((subject, predicate, thing))
            graph.add((predicate, rdfs.label, rdflib.Literal(edge["name"])))
            statement = name(f"{OWN}statement:{number}")
            for prop, value in ((rdf.subject, subject), (rdf.predicate, predicate), (rdf.object, thing)):
                graph.add((statement, prop, value))
            graph.add((statement, rdf.type, rdf.Statement))
            for key in ("document", "evidence", "score"):
                if edge[key] is not None:
                    graph.add((statement, own[key], rdflib.Literal(edge[key])))
        turtle: str = graph.serialize(format="turtle")
        return turtle


GRAPH_WRITERS: Mapping[str, Callable[[bool], Graph]] = {"graphml": GraphMl, "node-link": NodeLink, "turtle": Turtle}


def _xml(value: object) -> object:
    if isinstance(value, list):
        value = " | ".join(map(str, value))
    return _NOT_XML.sub(" ", value) if isinstance(value, str) else -1.0 if value is None else value


def _library(name: str, what: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise ModelUnavailable(f"{what} needs {name}: pip install 'docre-harness[graph]'") from None
