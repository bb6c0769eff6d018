"""How far a chain was followed."""

from intents.store.v1 import store_service_pb2 as pb
from services.common.domain.places import Place, PlaceAnswer


def place_to_proto(place: Place | None) -> pb.Place | None:
    return None if place is None else pb.Place(height=place.height, hash=place.hash)


def place_from_proto(message: pb.Place) -> Place:
    return Place(height=message.height, hash=message.hash)


def place_answer_to_proto(answer: PlaceAnswer) -> pb.KeepPlaceResponse:
    return pb.KeepPlaceResponse(held=answer.held, place=place_to_proto(answer.place), holder=answer.holder)


def place_answer_from_proto(message: pb.KeepPlaceResponse) -> PlaceAnswer:
    place = place_from_proto(message.place) if message.HasField("place") else None
    return PlaceAnswer(held=message.held, place=place, holder=message.holder)
