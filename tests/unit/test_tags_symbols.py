"""Tag tables, symbol configurations and node sets in XML, and XML that is none of them."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tag_samples import Desk, empty

from gateway.errors import BadInput
from gateway.field.tags import Range
from rig.tags import xmltree
from rig.tags.xmltree import parse_xml

EDITOR = """<?xml version='1.0' encoding='utf-8'?>
<Tagtable name='Default tag table'>
  <Tag type='Bool' hmiVisible='True' remark='Schütz &lt;K1&gt;' addr='%A0.0'>Motor_Ein</Tag>
  <Tag type='Int' hmiVisible='True' remark='' addr='%MW20'>Speed</Tag>
  <Constant type='Int' remark='' value='7'>Max</Constant>
</Tagtable>
"""
OPENNESS = """<?xml version="1.0" encoding="utf-8"?>
<Document>
  <Engineering version="V17" />
  <SW.Tags.PlcTagTable ID="0">
    <AttributeList><Name>Table</Name></AttributeList>
    <ObjectList>
      <SW.Tags.PlcTag ID="1" CompositionName="Tags">
        <AttributeList>
          <DataTypeName>Bool</DataTypeName>
          <LogicalAddress>%Q0.1</LogicalAddress>
          <Name>Valve</Name>
        </AttributeList>
        <ObjectList><MultilingualText ID="2" CompositionName="Comment"><ObjectList>
          <MultilingualTextItem ID="3" CompositionName="Items"><AttributeList>
            <Culture>de-DE</Culture><Text>Ventil</Text></AttributeList></MultilingualTextItem>
          <MultilingualTextItem ID="4" CompositionName="Items"><AttributeList>
            <Culture>en-GB</Culture><Text>the valve</Text></AttributeList></MultilingualTextItem>
        </ObjectList></MultilingualText></ObjectList>
      </SW.Tags.PlcTag>
      <SW.Tags.PlcUserConstant ID="5"><AttributeList><Name>Limit</Name></AttributeList>
      </SW.Tags.PlcUserConstant>
    </ObjectList>
  </SW.Tags.PlcTagTable>
</Document>
"""
CODESYS = """<?xml version="1.0" encoding="utf-8"?>
<Symbolconfiguration xmlns="http://www.3s-software.com/schemas/Symbolconfiguration.xsd">
  <Header>
    <Version>3.5.14.0</Version>
    <ProjectInfo name="press" devicename="Device" appname="Application" />
  </Header>
  <TypeList>
    <TypeSimple name="T_BOOL" size="1" swapsize="0" typeclass="Bool" iecname="BOOL" />
    <TypeSimple name="T_INT" size="2" swapsize="2" typeclass="Int" iecname="INT" />
    <TypeSimple name="T_STRING" size="81" swapsize="0" typeclass="String" iecname="STRING" />
    <TypeArray name="T_ARRAY__1__3__OF_INT" typeclass="Array" iecname="ARRAY [1..3] OF INT" basetype="T_INT">
      <ArrayDim minrange="1" maxrange="3" />
    </TypeArray>
    <TypeUserDef name="T_ST_Axis" size="8" typeclass="Userdef" pouclass="STRUCTURE" iecname="ST_Axis">
      <UserDefElement iecname="xOn" type="T_BOOL" byteoffset="0" vartype="VAR">
        <Comment>axis on</Comment></UserDefElement>
      <UserDefElement iecname="iPos" type="T_INT" byteoffset="2" vartype="VAR" />
    </TypeUserDef>
    <TypeUserDef name="T_E_Mode" size="2" typeclass="Enum" iecname="E_Mode" basetype="T_INT" />
    <TypeUserDef name="T_TON" size="32" typeclass="Userdef" pouclass="FUNCTION_BLOCK" iecname="TON" />
  </TypeList>
  <NodeList>
    <Node name="Application">
      <Node name="GVL">
        <Node name="xDoor" type="T_BOOL" access="ReadWrite"><Comment> safety
          door </Comment></Node>
        <Node name="xValve" type="T_BOOL" access="Read" />
        <Node name="xLamp" type="T_BOOL" access="ReadWrite" directaddress="%QX0.3" />
        <Node name="aiRecipe" type="T_ARRAY__1__3__OF_INT" access="ReadWrite" />
        <Node name="sName" type="T_STRING" access="Read" />
      </Node>
      <Node name="PLC_PRG">
        <Node name="stAxis" type="T_ST_Axis" access="Read" />
        <Node name="eMode" type="T_E_Mode" access="Read" />
        <Node name="tonWait" type="T_TON" access="Read" />
      </Node>
    </Node>
  </NodeList>
</Symbolconfiguration>
"""
NODESET = """<?xml version="1.0" encoding="utf-8"?>
<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd">
  <NamespaceUris><Uri>http://example.org/press</Uri></NamespaceUris>
  <Aliases>
    <Alias Alias="Boolean">i=1</Alias><Alias Alias="Double">i=11</Alias>
    <Alias Alias="HasComponent">i=47</Alias><Alias Alias="HasProperty">i=46</Alias>
    <Alias Alias="HasSubtype">i=45</Alias>
  </Aliases>
  <UAObject NodeId="ns=1;i=1" BrowseName="1:Press"><References>
    <Reference ReferenceType="Organizes" IsForward="false">i=85</Reference></References></UAObject>
  <UAVariable NodeId="ns=1;s=Door" BrowseName="1:Door" DataType="Boolean" AccessLevel="3">
    <Description>safety door</Description>
    <References><Reference ReferenceType="HasComponent" IsForward="false">ns=1;i=1</Reference></References>
  </UAVariable>
  <UAVariable NodeId="ns=1;i=3" BrowseName="1:Pressure" DataType="Double"><References>
    <Reference ReferenceType="HasComponent" IsForward="false">ns=1;i=1</Reference>
    <Reference ReferenceType="HasProperty">ns=1;i=4</Reference>
    <Reference ReferenceType="HasProperty">ns=1;i=5</Reference></References></UAVariable>
  <UAVariable NodeId="ns=1;i=4" BrowseName="EURange" DataType="i=884"><Value><ExtensionObject><Body>
    <Range><Low>0</Low><High>12.5</High></Range></Body></ExtensionObject></Value></UAVariable>
  <UAVariable NodeId="ns=1;i=5" BrowseName="EngineeringUnits" DataType="i=887"><Value><ExtensionObject><Body>
    <EUInformation><DisplayName><Text>bar</Text></DisplayName></EUInformation></Body></ExtensionObject></Value>
  </UAVariable>
  <UAVariable NodeId="ns=1;i=6" BrowseName="1:List" DataType="Double" ValueRank="1" ParentNodeId="ns=1;i=1" />
  <UADataType NodeId="ns=1;i=7" BrowseName="1:Mode"><References>
    <Reference ReferenceType="HasSubtype" IsForward="false">i=29</Reference></References></UADataType>
  <UAVariable NodeId="ns=1;i=8" BrowseName="1:Mode" DataType="ns=1;i=7" ParentNodeId="ns=1;i=1" />
  <UAObjectType NodeId="ns=1;i=9" BrowseName="1:PressType" />
  <UAVariable NodeId="ns=1;i=10" BrowseName="1:Speed" DataType="Double" ParentNodeId="ns=1;i=9" />
</UANodeSet>
"""


@pytest.fixture
def opcua(tmp_path: Path) -> Desk:
    return Desk(tmp_path, empty("opc.tcp://127.0.0.1"))


def test_a_tag_table_from_the_editor(tmp_path: Path) -> None:
    done = Desk(tmp_path, empty()).compare("t.xml", EDITOR, direction="output")
    tags = {each.tag: each.entry for each in done.plan.added}
    assert (tags["motor-ein"].address, tags["motor-ein"].title) == ("%Q0.0", "Motor_Ein: Schütz <K1>")
    assert tags["speed"].address == "MW20"
    assert "is a constant: Max (t.xml:5)" in "\n".join(done.lines)


def test_a_tag_table_from_openness(tmp_path: Path) -> None:
    done = Desk(tmp_path, empty()).compare("t.xml", OPENNESS)
    assert [(e.tag, e.entry.address, e.entry.title) for e in done.plan.added] == [
        ("valve", "%Q0.1", "Valve: the valve")
    ]
    assert "is a constant: Limit" in "\n".join(done.lines)


def test_a_symbol_configuration_of_codesys(opcua: Desk) -> None:
    done = opcua.compare("s.xml", CODESYS)
    tags = {each.tag: each.entry for each in done.plan.added}
    assert {name: (e.direction, e.type) for name, e in tags.items()} == {
        "gvl-x-door": ("input", "BOOL"), "gvl-x-valve": ("output", "BOOL"), "gvl-x-lamp": ("output", "BOOL"),
        "gvl-ai-recipe-1": ("input", "INT"), "gvl-ai-recipe-2": ("input", "INT"),
        "gvl-ai-recipe-3": ("input", "INT"), "plc-prg-st-axis-x-on": ("output", "BOOL"),
        "plc-prg-st-axis-i-pos": ("output", "INT"), "plc-prg-e-mode": ("output", "INT"),
        "gvl-s-name": ("output", "STRING"),
    }  # fmt: skip
    assert tags["gvl-x-door"].address == "ns=4;s=|var|Device.Application.GVL.xDoor"
    assert tags["gvl-x-door"].title == "GVL.xDoor: safety door"
    assert tags["plc-prg-st-axis-x-on"].title == "PLC_PRG.stAxis.xOn: axis on"
    told = "\n".join(done.lines)
    assert "is a FUNCTION_BLOCK TON: Application.PLC_PRG.tonWait" in told
    assert "check direction, safe" in told


def test_the_runtime_may_call_itself_otherwise(opcua: Desk) -> None:
    name = "CODESYS Control for Raspberry Pi SL"
    tags = opcua.added("s.xml", CODESYS, codesys_device=name, only=("GVL.xDoor",))
    assert tags["x-door"].address == f"ns=4;s=|var|{name}.Application.GVL.xDoor"


def test_a_node_set_with_ranges_units_types_and_what_has_no_value(opcua: Desk) -> None:
    done = opcua.compare("n.xml", NODESET, namespaces={1: 4})
    tags = {each.tag: each.entry for each in done.plan.added}
    assert {name: (e.direction, e.type, e.address) for name, e in tags.items()} == {
        "door": ("input", "BOOL", "ns=4;s=Door"), "pressure": ("output", "LREAL", "ns=4;i=3"),
        "mode": ("output", "DINT", "ns=4;i=8"),
    }  # fmt: skip
    assert (tags["pressure"].range, tags["pressure"].unit) == (Range(0, 12.5), "bar")
    assert tags["door"].title == "Press.Door: safety door"
    told = "\n".join(done.lines)
    assert "is an array whose length is not in the file: Press.List (n.xml:" in told
    assert "declared by a type" in told
    assert "ns=1 is http://example.org/press" in "\n".join(opcua.compare("n.xml", NODESET).lines)


@pytest.mark.parametrize("text", [CODESYS, NODESET])
def test_nodes_are_not_for_a_device_of_another_protocol(tmp_path: Path, text: str) -> None:
    told = Desk(tmp_path, empty("modbus://h/1")).refused("n.xml", text)
    assert "speaks modbus" in told[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<a><b></a>", "is not XML: mismatched tag"),
        ("<a/>", "is XML of an unknown kind: <a>"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "declares a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "declares a document type"),
        ('<?xml version="1.0" encoding="no-such"?><a/>', "is not XML"),
        ("<Symbolconfiguration/>", "has no NodeList"),
        ("<Tagtable/>", "has nothing to import"),
    ],
)
def test_xml_that_is_no_list_says_so(opcua: Desk, text: str, says: str) -> None:
    assert any(says in line for line in opcua.refused("x.xml", text))


def test_depth_and_size_of_xml_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="within each other"):
        parse_xml(b"<a>" * 1000, "x.xml")
    monkeypatch.setattr(xmltree, "MAX_ELEMENTS", 10)
    with pytest.raises(BadInput, match="more than 10 elements"):
        parse_xml(b"<a>" + b"<b/>" * 20 + b"</a>", "x.xml")


def test_utf_16_and_windows_encodings(tmp_path: Path) -> None:
    desk = Desk(tmp_path, empty())
    for encoding in ("utf-16", "windows-1252"):
        text = EDITOR.replace("utf-8", encoding).encode(encoding)
        assert "Schütz" in desk.added("t.xml", text)["motor-ein"].title


SAMPLES = (EDITOR, OPENNESS, CODESYS, NODESET)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_are_taken_or_refused_and_never_break(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SAMPLES))
    words = sorted(set(text.replace("<", " ").replace(">", " ").replace('"', " ").split()))
    for _ in range(data.draw(st.integers(1, 4))):
        text = text.replace(
            data.draw(st.sampled_from(words)), data.draw(st.sampled_from(["", "x", "9", "-1", *words])), 1
        )
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), empty("opc.tcp://127.0.0.1"))
        with contextlib.suppress(BadInput):
            desk.compare("x.xml", text)
